"""The sampler and the renderer that every method shares, registered like any plugin's."""
