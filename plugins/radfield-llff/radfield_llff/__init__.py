"""Captures in LLFF's format for radfield."""
