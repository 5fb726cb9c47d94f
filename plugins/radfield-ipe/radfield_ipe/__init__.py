"""encoding:ipe, the integrated positional encoding of mip-NeRF."""
