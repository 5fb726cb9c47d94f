"""Reading what an exporter wrote: vertices, faces, cameras and depths, in the data's own coordinates and unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.config.slots import Choice
from radfield_core.errors import UsageError
from radfield_core.runs.export_target import output_of, target_of


def _nothing(*shape: int) -> Any:
    return field(default_factory=lambda: np.zeros(shape))


@dataclass(frozen=True, eq=False)
class Exported:
    """Content of a file that an exporter wrote, as stored there. Leave out what the file does not hold.

    Attributes:
        vertices: points [P, 3].
        faces: for each triangle, the indices of its vertices [F, 3].
        cameras: camera-to-world matrices [V, 3, 4] or [V, 4, 4]. A camera looks along its negative z axis, and its y
            axis points upward in the image. If the format stores cameras otherwise, convert them to this form.
        depths: depth images [V, H, W] of views of the scene.

    Example:
        >>> import numpy as np
        >>> Exported(cameras=np.eye(4)[None]).is_empty, Exported().is_empty
        (False, True)
    """

    vertices: Any = _nothing(0, 3)
    faces: Any = _nothing(0, 3)
    cameras: Any = _nothing(0, 3, 4)
    depths: Any = _nothing(0, 1, 1)

    @property
    def is_empty(self) -> bool:
        """True if there are no vertices, cameras or depths."""
        return not (len(self.vertices) or len(self.cameras) or len(self.depths))

    def as_arrays(self) -> Exported:
        """Return the same content as numpy arrays."""
        vertices, cameras, depths = (np.asarray(x, np.float64) for x in (self.vertices, self.cameras, self.depths))
        return Exported(vertices, np.asarray(self.faces, np.int64), cameras, depths)


ReadExported = Callable[[Path], Exported | tuple[Any, Any]]
"""Function that reads a file. It returns an `Exported`, or only vertices [P, 3] and faces [F, 3]."""


class CannotRead(UsageError):
    """A file that is declared to hold coordinates cannot be read."""


def files_with_coordinates(exporter: Choice, folder: Path) -> list[Path]:
    """Return the files of an export that are declared to hold coordinates, sorted by name.

    Args:
        exporter: the exporter and its options.
        folder: the folder that the exporter wrote, or the folder in which it wrote a file called "out".
    """
    output = output_of(exporter)
    if not output.is_folder:
        file = target_of(exporter, folder / "out")
        return [file] if output.has_coordinates(file.name) else []
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [file for file in files if output.has_coordinates(file.relative_to(folder).as_posix())]


def read_exported(path: Path, read: ReadExported | None = None) -> Exported:
    """Read a file with an exporter's own reader or, if it has none, with trimesh.

    Args:
        path: the file.
        read: the reader.

    Raises:
        CannotRead: there is no reader, and trimesh is not installed or does not know the format.
    """
    if read is not None:
        found = read(path)
        return (found if isinstance(found, Exported) else Exported(*found)).as_arrays()
    try:
        import trimesh
    except ImportError as error:
        raise CannotRead(f"{path.name} is read with trimesh, which is not installed: pip install trimesh") from error
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in trimesh.available_formats():
        raise CannotRead(
            f"trimesh does not read {path.name}, and the argument read= is missing. Pass a function that reads it: "
            "conformance(…, read=…), or component(…, read='module:function') for radfield plugins check too. If the "
            "file holds no coordinates, leave it out of writes=Output…(coordinates=…)"
        )
    loaded: Any = trimesh.load(path, process=False)
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    return Exported(loaded.vertices, getattr(loaded, "faces", np.zeros((0, 3)))).as_arrays()
