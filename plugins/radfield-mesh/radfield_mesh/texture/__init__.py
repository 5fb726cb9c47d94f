"""Textures of meshes: photographs or a field's colors are written into an image that is laid over the mesh."""
