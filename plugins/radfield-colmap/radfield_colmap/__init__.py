"""COLMAP reconstructions for radfield."""
