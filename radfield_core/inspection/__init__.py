"""Inspect a data set: report its contents, warn about its quality, and draw pictures of its cameras and images."""
