"""NeRF and tiny-NeRF. Provides method:nerf, method:tiny-nerf and field:nerf."""
