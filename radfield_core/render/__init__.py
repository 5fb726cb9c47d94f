"""Render a trained model to pictures and videos, and evaluate it with image metrics.

The names below are public.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.render.camera_paths import upward_axis as upward_axis
    from radfield_core.render.path_files import read_path as read_path
    from radfield_core.render.pictures import make_pictures as make_pictures, strip as strip
    from radfield_core.render.trajectories import Trajectory as Trajectory, path_json as path_json
    from radfield_core.render.views import stated_camera as stated_camera

_HOMES = {
    "camera_paths": "upward_axis",
    "path_files": "read_path",
    "pictures": "make_pictures strip",
    "trajectories": "Trajectory path_json",
    "views": "stated_camera",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name as public
    __getattr__, __dir__ = lazy(__name__, _HOMES)
