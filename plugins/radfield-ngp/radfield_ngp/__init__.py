"""Hash-grid radiance fields after instant-ngp: method:ngp and field:ngp."""
