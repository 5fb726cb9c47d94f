"""encoding:frequency, the positional encoding of NeRF."""
