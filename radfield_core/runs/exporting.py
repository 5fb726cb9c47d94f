"""Export of files from a run, such as its surface as a mesh. The files use the coordinates of the run's data.

With each export comes a sidecar: a JSON file that describes these coordinates.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radfield_core.config.fit import check_part
from radfield_core.config.slots import Choice
from radfield_core.data.scene import Scene
from radfield_core.errors import PluginError, unwritable
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.files.staging import put_files, put_folder, staging_folder
from radfield_core.interfaces import Exporter
from radfield_core.model.answers import check_answers
from radfield_core.model.enclosed import enclosed_warnings
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.export_target import FOLDER_SIDECAR, check_target, output_of, sidecar_of, target_of
from radfield_core.runs.stored_results import made_from
from radfield_core.runs.trained import Trained

logger = logging.getLogger(__name__)

REPORT = "Report this to the authors of the plugin"


def export(trained: Trained, choice: Choice, out: Path | None) -> list[Path]:
    """Export a result of a run, such as its surface as a mesh.

    The exporter writes to a temporary folder. When it has finished, its files are put into place, so a failed export
    changes nothing. A file replaces one with the same name. A folder replaces an earlier export of the same exporter as
    a whole.

    One sidecar describes the whole export: the exporter, the unit, the checkpoint, and for each file with coordinates
    the coordinate frame and the up axis. It is named `mesh.ply.json` beside a file and `export.json` in a folder. If no
    file can hold coordinates, as with a picture, there is none.

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
        out: the file or folder to write, or for an exporter of a file also an existing folder to write it into. By
            default, it is `exports/<exporter>` in the run's folder.

    Returns:
        The paths of the files that were written, with the sidecar last.

    Raises:
        UsageError: the run's parts do not provide what the exporter needs, or the export would replace something else
            than an earlier export.
        NoSurface: the surface to export is empty.
        PluginError: the exporter did not write what it declares, or the model of the run's method does not provide what
            its declaration promises.
        StorageError: a file cannot be written.
    """
    check_part(choice, trained.run, get_registry())
    check_answers(trained.model, trained.run.method.component)
    if out is None:
        with made_from(trained.folder, trained.checkpoint, "exports") as place:
            return _export(trained, choice, target_of(choice, place / choice.component.name))
    return _export(trained, choice, target_of(choice, out))


def _export(trained: Trained, choice: Choice, target: Path) -> list[Path]:
    """Write the files of an export and their sidecar."""
    check_target(choice, target)
    exporter: Exporter = choice.load()(choice.config)
    scene = trained.scenes.views("train")
    output, sidecar = output_of(choice), sidecar_of(choice, target)
    for warning in enclosed_warnings(trained.model, scene):
        logger.warning(warning)
    try:
        with staging_folder(target) as staged:
            exporter.export(trained.model, scene, staged if output.is_folder else staged / target.name)
            names = _written(staged, choice, target.name)
            if sidecar is not None:
                content = _description(names, trained, scene, choice)
                write_durably(staged / sidecar.name, dump_json(content, indent=2) + "\n")
                names.append(sidecar.name)
            if output.is_folder:
                put_folder(staged, target)
                return [target / name for name in names]
            if sidecar is not None:
                sidecar.unlink(missing_ok=True)  # after a crash, it must not describe files of the new export
            return put_files(staged, names, target.parent)
    except OSError as error:
        raise unwritable(error, target) from error


def _written(staged: Path, choice: Choice, main: str) -> list[str]:
    """Return the paths, in the folder `staged`, of the files that an exporter wrote.

    Raises:
        PluginError: these files are not what the exporter declares.
    """
    names = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if not path.is_dir())
    owner = f"{choice.component.key} of {choice.component.distribution}"
    if output_of(choice).is_folder:
        if not names:
            raise PluginError(f"{owner} wrote no file", hint=REPORT)
        if FOLDER_SIDECAR in names:
            raise PluginError(f"{owner} wrote {FOLDER_SIDECAR}, which is the name of the sidecar", hint=REPORT)
        return names
    if main not in names:
        raise PluginError(f"{owner} was to write {main}, and did not", hint=REPORT)
    foreign = [name for name in names if not name.startswith(Path(main).stem)]
    if foreign:
        message = f"{owner} wrote {foreign[0]} beside {main}; its name must begin with {Path(main).stem!r}"
        raise PluginError(message, hint=REPORT)
    return [main, *(name for name in names if name != main)]


def _description(names: Sequence[str], trained: Trained, scene: Scene, choice: Choice) -> dict[str, Any]:
    """Return the content of a sidecar that describes an export of these files."""
    manifest = trained.checkpoint / "MANIFEST.json"
    output = output_of(choice)
    return {
        "exporter": choice.component.key,
        "unit": scene.unit,
        "scene_to_data": scene.to_data.tolist(),
        "checkpoint": trained.checkpoint.name,
        "checkpoint_manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "step": trained.step,
        "files": {name: frame_of(name, scene) if output.has_coordinates(name) else {} for name in names},
    }


def frame_of(name: str, scene: Scene) -> dict[str, Any]:
    """Describe the coordinate frame in which a file is written."""
    estimate = scene.estimated_up if scene.up is None else None
    if not name.lower().endswith(".glb"):
        found = {} if estimate is None else {"estimated_up": list(estimate.direction), "up_from": estimate.how}
        return {"frame": "the data's own", "up": scene.up, **found}
    if estimate is not None:
        frame = "the data's own, rotated y-up as glTF prescribes, by an estimate"
        return {"frame": frame, "up": "y", "estimated_up": list(estimate.direction), "up_from": estimate.how}
    if scene.up is None:
        return {"frame": "the data's own, not rotated: the up axis is unknown", "up": None}
    return {"frame": "the data's own, rotated y-up as glTF prescribes", "up": "y"}
