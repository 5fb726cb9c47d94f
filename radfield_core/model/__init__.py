"""The model of all methods that march along rays, and the parts that a run adds to any model."""

from radfield_core.model.colors import color_map_of, map_colors
from radfield_core.model.corrections import Corrections, corrected_batch, corrected_cameras, corrected_scene
from radfield_core.model.level_loop import LevelLoop, added_losses, build_context, build_model, level_loop

__all__ = [
    "Corrections", "LevelLoop", "added_losses", "build_context", "build_model", "color_map_of", "corrected_batch",
    "corrected_cameras", "corrected_scene", "level_loop", "map_colors",
]  # fmt: skip
