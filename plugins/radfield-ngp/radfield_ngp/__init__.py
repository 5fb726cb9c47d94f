"""Radiance fields on a hash grid, as in instant-ngp. Provides method:ngp and field:ngp."""
