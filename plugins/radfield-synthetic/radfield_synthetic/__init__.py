"""An analytic scene with exact images, depth, normals and mesh, for radfield."""
