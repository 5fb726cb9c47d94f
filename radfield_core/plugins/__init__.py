"""What is installed: discovery of plugins, the registry of their parts, hooks and observers."""
