"""The sampler and the renderer that methods share, registered like the parts of any plugin."""
