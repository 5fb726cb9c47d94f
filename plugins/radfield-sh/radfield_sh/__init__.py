"""encoding:sh, spherical harmonics of directions."""
