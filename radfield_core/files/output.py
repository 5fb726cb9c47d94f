"""Checks the file or folder that is to be written: its format, and that nothing is overwritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from radfield_core.errors import UsageError


def file_and_format(path: Path, formats: Sequence[str], chosen: str | None = None) -> tuple[Path, str]:
    """The file that an exporter writes when told `path`, and its format: the chosen one, else the one that the path's
    ending names, else the first. A path without an ending gets that of the format.

    What follows a dot is an ending if it is a format or looks like one: in `model 1.5` it is part of the name.

    Raises UsageError for an ending of no format, or of another than the chosen one.
    """
    ending = path.suffix[1:].lower()
    if ending in formats:
        if chosen not in (None, ending):
            raise UsageError(
                f"the format is {chosen}, but the ending {ending}", path=str(path),
                hint=f"{path.stem}.{chosen}, or leave the format to the ending",
            )  # fmt: skip
        return path, ending
    if re.fullmatch("[a-z][a-z0-9]{0,4}", ending):
        raise UsageError(
            f"files of the ending .{ending} are not written", path=str(path),
            hint=" or ".join(f"{path.stem}.{name}" for name in formats),
        )  # fmt: skip
    ending = chosen or formats[0]
    return path.with_name(f"{path.name}.{ending}"), ending


def need_empty(folder: Path) -> None:
    """Raise UsageError unless a folder to be written is absent or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("exists and is not an empty folder", path=str(folder), hint="a name that is free")
