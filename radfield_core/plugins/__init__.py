"""Installed plugins: their discovery, the registry of their parts, the hooks and the calls of observers."""
