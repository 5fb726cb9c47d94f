"""Inspect a data set: report what it contains, warn about poor quality, and draw pictures of its cameras and images."""
