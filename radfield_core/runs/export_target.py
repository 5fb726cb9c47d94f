"""Where an exporter writes, and whether it may write there. This is decided before torch is imported.

An exporter declares that it writes a file or a folder. Beside an exported file, or in an exported folder, lies one
sidecar: a JSON file that describes the export.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from radfield_core.config.slots import Choice
from radfield_core.errors import StorageError, UsageError
from radfield_core.files.output import check_file, check_folder, file_and_format
from radfield_core.names import plural, quoted
from radfield_core.plugin import Output
from radfield_core.runs.folder import read_run_json

FOLDER_SIDECAR = "export.json"
"""Name of the sidecar in an exported folder."""

MAX_NAMES_SHOWN = 5


def output_of(choice: Choice) -> Output:
    """Return what a chosen exporter writes. Discovery has checked that every exporter declares it."""
    assert choice.component.writes is not None
    return choice.component.writes


def target_of(choice: Choice, out: Path, inside: bool = False) -> Path:
    """Return the file or folder that an exporter writes.

    An exporter of a file writes `out`, or a file named after the exporter if `out` is a folder. The ending follows from
    `out`, or from the exporter's option `format`. An exporter of a folder always writes the folder `out`.

    Args:
        choice: the exporter with its options.
        out: the path that the user gave.
        inside: True if `out` stands for a folder that need not exist yet.

    Raises:
        UsageError: the exporter cannot write a file with this ending, or writes a folder and this is no name for one.
    """
    output = output_of(choice)
    if output.is_folder:
        if not inside and not out.is_dir() and _names_file(out, output):
            raise UsageError(
                f"has the ending of a file, but exporter {choice.component.name!r} writes a folder",
                path=str(out),
                hint=f"--out {quoted(out.with_suffix(''))}",
            )
        return out
    place = out / choice.component.name if inside or out.is_dir() else out
    return file_and_format(place, output.endings, getattr(choice.config, "format", None))[0]


def _names_file(path: Path, output: Output) -> bool:
    """True if a path has an ending of files, so that a user who typed it expects a file there."""
    endings = {Path(pattern).suffix.lower() for pattern in output.coordinates} - {""}
    return path.suffix.lower() in endings or mimetypes.guess_type(path.name)[0] is not None


def sidecar_of(choice: Choice, target: Path) -> Path | None:
    """Return the path of the sidecar of an export, or None if a file is exported that holds no coordinates.

    It is `export.json` in a folder and `mesh.ply.json` beside `mesh.ply`. Beside a JSON file, it is `name.export.json`.
    """
    output = output_of(choice)
    if output.is_folder:
        return target / FOLDER_SIDECAR
    if not output.coordinates:
        return None
    return target.with_name(f"{target.stem}.export.json" if target.suffix.lower() == ".json" else f"{target.name}.json")


def check_target(choice: Choice, target: Path) -> None:
    """Check that an export may be written to `target`, which `target_of` returned.

    Raises:
        UsageError: the export would replace something that is not an export of this exporter.
        StorageError: nothing can be written there.
    """
    if output_of(choice).is_folder:
        _check_replaced_folder(choice, target)
        check_folder(target)
        return
    sidecar = sidecar_of(choice, target)
    if sidecar is not None and sidecar.exists() and _stored(sidecar) is None:
        raise UsageError(
            f"is not the description of an export, and an export to {target.name} would replace it",
            path=str(sidecar),
            hint="Choose another --out, or rename that file",
        )
    check_file(target)


def _check_replaced_folder(choice: Choice, target: Path) -> None:
    """Raise UsageError if `target` is something else than a new or empty folder or an earlier export.

    An earlier export is replaced as a whole, so it must hold nothing that was not exported.
    """
    name = choice.component.name
    if target.is_symlink():
        raise UsageError("is a link; an exported folder is not written through links", path=str(target), hint=(
            f"--out {quoted(target.resolve())}"
        ))  # fmt: skip
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"is a file, but exporter {name!r} writes a folder", path=str(target), hint=(
            f"--out {quoted(target.with_name(name))}"
        ))  # fmt: skip
    present = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    if not present:
        return
    stored = _stored(target / FOLDER_SIDECAR)
    if stored is None or stored["exporter"] != choice.component.key:
        found = "not an export" if stored is None else f"an export by {stored['exporter']}"
        message = f"holds files already, and is {found}, so exporter {name!r} does not replace it"
        raise UsageError(message, path=str(target), hint=f"--out {quoted(target / name)}")
    added = sorted(present - {FOLDER_SIDECAR, *stored["files"]})
    if added:
        shown = ", ".join(added[:MAX_NAMES_SHOWN]) + (", …" if len(added) > MAX_NAMES_SHOWN else "")
        raise UsageError(
            f"holds {plural(len(added), 'file')} that the earlier export did not write, and that a new one would "
            f"delete: {shown}",
            path=str(target),
            hint="Move them to another folder, or choose another --out",
        )


def _stored(path: Path) -> dict[str, Any] | None:
    """Read a sidecar. Return None if there is none, or if the file is something else."""
    try:
        stored = read_run_json(path)
    except StorageError:
        return None
    if not isinstance(stored, dict) or not isinstance(stored.get("exporter"), str):
        return None
    return stored if isinstance(stored.get("files"), dict) else None
