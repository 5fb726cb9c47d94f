"""Plugins: discovery of the installed plugins, lookup of their parts by name, and definition and calls of the hooks."""
