"""Captures described by transforms.json for radfield."""
