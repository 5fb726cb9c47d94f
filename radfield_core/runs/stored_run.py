"""The options of a run as its folder stores them, and the place of its data. This module imports no torch.

A run stores the absolute path of its data in config.toml, and the path relative to its own folder in data.json. So a
run that is moved together with its data finds them again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig
from radfield_core.errors import DatasetError, StorageError
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.folder import RunFolder


def stored_run(folder: RunFolder, data: Path | None = None) -> RunConfig:
    """Read the options of a run from its folder.

    Args:
        folder: the run's folder.
        data: the present path of the data. By default, it is the path that the run stores. If nothing exists there any
            more, it is the stored path relative to the run's folder.

    Raises:
        DatasetError: there is nothing at the path `data`.
        UsageError, PluginError, StorageError: the stored options are not valid.
    """
    run = compose(get_registry(), file=folder.config, data=data or moved_data(folder)).run
    check(run, get_registry())
    return run


def data_root(run: RunConfig) -> Path | None:
    """Return the path of a run's data, or None for data that are not read from files."""
    root = getattr(run.data.config, "root", None)
    return Path(root) if root else None


def moved_data(folder: RunFolder) -> Path | None:
    """If the data were moved together with the run, return their new path. Otherwise, return None."""
    try:
        stored = folder.stored_data()
        root, relative = stored["root"], stored["relative"]
        beside = Path(os.path.normpath(folder.path.absolute() / relative))
        return beside if not Path(root).exists() and beside.exists() else None
    except (KeyError, TypeError, ValueError, OSError, StorageError):
        return None  # a run from before data.json, a stranger's file, or data without files


def check_data(run: RunConfig, folder: RunFolder, command: str = "") -> None:
    """Raise DatasetError if a run's data are no longer at the stored path. The hint says how to state the new path.

    Args:
        run: the run's options, as returned by `stored_run`.
        folder: the run's folder.
        command: the user's command, which the hint completes.
    """
    root = data_root(run)
    if root is None or root.exists():
        return
    raise DatasetError(
        "the data of this run are not there any more, nor at the same place relative to the run",
        path=str(root),
        hint=f"{command} --data PATH, where PATH is their place now" if command else "Name their place with --data",
    )


def place_of_data(run: RunConfig, folder: RunFolder) -> dict[str, Any]:
    """Return the entries of data.json that say where the data are."""
    root = data_root(run)
    if root is None:
        return {}
    return {"root": str(root.absolute()), "relative": os.path.relpath(root.absolute(), folder.path.absolute())}
