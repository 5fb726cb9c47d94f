"""NeRF and tiny-NeRF: method:nerf, method:tiny-nerf and field:nerf."""
