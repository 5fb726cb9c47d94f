"""Export of meshes and point clouds, and metrics of geometry, for radfield."""
