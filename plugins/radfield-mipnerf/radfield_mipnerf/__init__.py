"""mip-NeRF. Provides method:mipnerf, field:mipnerf and sampler:mip."""
