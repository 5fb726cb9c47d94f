"""The sampler and the renderer of core, which all methods can use. They are registered like the parts of a plugin."""
