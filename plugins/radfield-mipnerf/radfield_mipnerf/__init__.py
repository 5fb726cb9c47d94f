"""mip-NeRF: method:mipnerf, field:mipnerf and sampler:mip."""
