"""Parts that exist in names and options only, for tests of the registry, the config and the capabilities."""
