"""NeRF-synthetic folders, multiscale folders and tiny NeRF files for radfield."""
