"""The model of all methods that march along rays."""

from radfield_core.model.level_loop import LevelLoop, added_losses, build_context, build_model, level_loop

__all__ = ["LevelLoop", "added_losses", "build_context", "build_model", "level_loop"]
