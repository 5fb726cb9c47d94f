"""Discover the installed plugins, look up their parts by name, define the hooks of a plugin, and call the hooks."""
