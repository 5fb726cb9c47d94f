"""Exporters of meshes and point clouds for radfield, and metrics that compare a surface with a reference."""
