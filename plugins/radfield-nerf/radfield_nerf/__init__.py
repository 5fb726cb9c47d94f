"""method:nerf, method:tiny-nerf and field:nerf."""
