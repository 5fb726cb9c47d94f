"""What plugins test their parts with."""
