"""A radiance field of sines for radfield."""
