"""Inspection of a data set: the report, warnings about its quality, and pictures of it."""
