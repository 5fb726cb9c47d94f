"""Hash-grid radiance fields: `method:ngp` and `field:ngp`."""
