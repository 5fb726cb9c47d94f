"""Blender (NeRF-synthetic) folders and tiny NeRF files."""
