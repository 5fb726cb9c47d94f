"""Inspect a data set: list its contents, warn about poor quality, and draw pictures of its cameras and images."""
