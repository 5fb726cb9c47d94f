"""Meshes and point clouds in the data's own coordinates, and their error."""
