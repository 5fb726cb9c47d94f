"""Exports of a run: geometry in the data's own coordinates, with a sidecar that says what its numbers mean."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from radfield_core.config.fit import check_part
from radfield_core.config.slots import Choice
from radfield_core.data.scene import Scene
from radfield_core.errors import unwritable
from radfield_core.files.durable import dump_json, write_durably
from radfield_core.interfaces import Exporter
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.trained import Trained


def export(trained: Trained, choice: Choice, out: Path | None) -> list[Path]:
    """Write an export of a run and its sidecars; returns the files. By default into the run's folder; in a folder that
    is there, under the exporter's name.

    Pictures and videos hold no coordinates and get no sidecar.

    Raises UsageError if the run's parts do not give what the exporter needs, NoSurface, StorageError.
    """
    check_part(choice, trained.run, get_registry())
    exporter: Exporter = choice.load()(choice.config)
    scene = trained.scenes.get("train")
    target = out if out is not None else trained.folder.path / "exports" / choice.component.name
    if target.is_dir():
        target /= choice.component.name
    try:
        files = exporter.export(trained.model, scene, target)
        sidecars = [_write_sidecar(path, trained, scene, choice) for path in files if not _is_picture(path)]
    except OSError as error:
        raise unwritable(error, target) from error
    return [*files, *sidecars]


def _is_picture(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "").startswith(("image/", "video/"))


def _write_sidecar(path: Path, trained: Trained, scene: Scene, choice: Choice) -> Path:
    """`mesh.ply.json` beside `mesh.ply`: frame, unit, up axis, transform from scene coordinates, and the checkpoint."""
    turned = path.suffix.lower() == ".glb" and scene.up is not None
    manifest = trained.checkpoint / "MANIFEST.json"
    sidecar = path.with_name(f"{path.name}.json")
    content = {
        "file": path.name,
        "exporter": choice.component.key,
        "frame": _frame(path, scene),
        "unit": scene.unit,
        "up": "y" if turned else scene.up,
        "scene_to_data": scene.to_data.tolist(),
        "checkpoint": trained.checkpoint.name,
        "checkpoint_manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "step": trained.step,
    }
    write_durably(sidecar, dump_json(content, indent=2) + "\n")
    return sidecar


def _frame(path: Path, scene: Scene) -> str:
    if path.suffix.lower() != ".glb":
        return "the data's own"
    if scene.up is None:
        return "the data's own, not turned: which axis is up is not known"
    return "the data's own, turned y-up as glTF prescribes"
