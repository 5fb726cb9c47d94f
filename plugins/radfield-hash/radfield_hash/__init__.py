"""encoding:hash, the multiresolution hash encoding of positions."""
