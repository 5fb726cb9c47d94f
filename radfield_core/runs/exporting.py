"""Export of files from a run, such as its surface as a mesh. The files use the coordinates of the run's data.

Beside each exported file lies a sidecar: a JSON file that describes these coordinates.
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from radfield_core.config.fit import check_part
from radfield_core.config.slots import Choice
from radfield_core.data.scene import Scene
from radfield_core.errors import unwritable
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.interfaces import Exporter
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.stored_results import made_from
from radfield_core.runs.trained import Trained


def export(trained: Trained, choice: Choice, out: Path | None) -> list[Path]:
    """Export a result of a run, such as its surface as a mesh.

    A sidecar, `<file>.json`, is written beside each file. It states the coordinate frame, the unit, the up axis and the
    checkpoint. Pictures and videos get no sidecar, because they contain no coordinates.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from radfield_core import compose, compose_part, export, get_registry, open_run, train_run
        >>> data = ["type=synthetic", "resolution=8", "n_train=2", "n_val=1", "n_test=1"]
        >>> options = [f"data.{option}" for option in data] + ["trainer.max_steps=1", "trainer.n_rays=8"]
        >>> run = compose(get_registry(), method="tiny-nerf", overrides=options).run
        >>> points = compose_part(get_registry(), "exporter", "pointcloud", ["n_points=100"])
        >>> with TemporaryDirectory() as folder:
        ...     outcome = train_run(run, out=Path(folder) / "run", quiet=True)
        ...     files = export(open_run(outcome.folder), points, None)
        >>> [path.name for path in files]
        ['pointcloud.ply', 'pointcloud.ply.json']

    Args:
        trained: the run.
        choice: the exporter with its options.
        out: a file to write, or an existing folder to write into; by default `exports/<exporter>` in the run's folder.

    Returns:
        The paths of the files that were written, with the sidecars last.

    Raises:
        UsageError: the run's parts do not provide what the exporter needs.
        NoSurface: the surface to export is empty.
        StorageError: a file cannot be written.
    """
    check_part(choice, trained.run, get_registry())
    if out is None:
        with made_from(trained.folder, trained.checkpoint, "exports") as place:
            return _export(trained, choice, place / choice.component.name)
    return _export(trained, choice, out)


def _export(trained: Trained, choice: Choice, target: Path) -> list[Path]:
    """Write the files of an export and their sidecars."""
    exporter: Exporter = choice.load()(choice.config)
    scene = trained.scenes.views("train")
    if target.is_dir():
        target /= choice.component.name
    try:
        files = exporter.export(trained.model, scene, target)
        sidecars = [_write_sidecar(path, trained, scene, choice) for path in files if not _is_picture(path)]
    except OSError as error:
        raise unwritable(error, target) from error
    return [*files, *sidecars]


def _is_picture(path: Path) -> bool:
    """True if a file is a picture or a video, to judge by the suffix of its name."""
    return (mimetypes.guess_type(path.name)[0] or "").startswith(("image/", "video/"))


def _write_sidecar(path: Path, trained: Trained, scene: Scene, choice: Choice) -> Path:
    """Write the sidecar of a file, such as `mesh.ply.json` beside `mesh.ply`, and return its path."""
    rotated = path.suffix.lower() == ".glb" and scene.up is not None
    manifest = trained.checkpoint / "MANIFEST.json"
    sidecar = path.with_name(f"{path.name}.json")
    content = {
        "file": path.name,
        "exporter": choice.component.key,
        "frame": _frame(path, scene),
        "unit": scene.unit,
        "up": "y" if rotated else scene.up,
        "scene_to_data": scene.to_data.tolist(),
        "checkpoint": trained.checkpoint.name,
        "checkpoint_manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "step": trained.step,
    }
    write_durably(sidecar, dump_json(content, indent=2) + "\n")
    return sidecar


def _frame(path: Path, scene: Scene) -> str:
    """Describe the coordinate frame in which a file is written."""
    if path.suffix.lower() != ".glb":
        return "the data's own"
    if scene.up is None:
        return "the data's own, not rotated: the up axis is unknown"
    return "the data's own, rotated y-up as glTF prescribes"
