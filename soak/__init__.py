"""Long tests, outside the default suite: damaged files of every format, and kills in the middle of saves."""
