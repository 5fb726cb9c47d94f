"""Installed plugins: discover them, look up their parts by name, define the hooks and call them."""
