"""A radfield plugin: a scene of isotropic Gaussians, drawn as whole images, and points from depth images."""
