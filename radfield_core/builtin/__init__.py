"""The sampler and the renderer that methods share. They are registered like the parts of any plugin."""
