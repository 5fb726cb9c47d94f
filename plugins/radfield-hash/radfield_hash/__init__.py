"""encoding:hash, a multiresolution hash encoding of positions."""
