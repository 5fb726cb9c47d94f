"""Multiresolution hash encoding of positions."""
