"""Options: how parts declare them, and how files and the command line become a typed config. No torch."""
