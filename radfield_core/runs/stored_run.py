"""The options of a run as its folder stores them, and the place of its data. This module imports no torch.

A run stores the absolute path of its data in config.toml, and the path relative to its own folder in data.json. So a
run that is moved together with its data finds them again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.errors import BrokenPlugin, DatasetError, PluginError, StorageError, UsageError
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import UNLOADED, get_registry
from radfield_core.runs.folder import RunFolder

_DISTRIBUTION = re.compile("[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
_VERSION = re.compile(r"[a-zA-Z0-9][\w.+!-]{0,39}")


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
    with unavailable_plugins_named(folder):
        run = compose(get_registry(), file=folder.config, data=data or moved_data(folder)).run
        check(run, get_registry())
    return run


@contextmanager
def unavailable_plugins_named(folder: RunFolder) -> Iterator[None]:
    """Inside the block, replace errors of a run's options by one that names the plugins that the run needs.

    Every part of a plugin that is missing or broken would be an error of its own. If all plugins that the run was made
    with are available, the error stays as it is.

    Raises:
        PluginError: the options are not valid, and plugins that the run was made with are not installed or disabled.
        BrokenPlugin: the options are not valid, and plugins that the run was made with do not load.
    """
    try:
        yield
    except (UsageError, PluginError) as error:
        stored = _stored_plugins(folder)
        missing = {name: version for name, version in stored.items() if not _is_installed(name)}
        if missing:
            listed = " and ".join(f"{name} {version}" for name, version in missing.items())
            raise PluginError(
                f"this run was made with {listed}, which {'is' if len(missing) == 1 else 'are'} not installed",
                path=str(folder.path),
                hint=f"pip install {' '.join(missing)}",
            ) from error
        mistakes = Mistakes()
        for plugin in get_registry().plugins:
            if plugin.distribution in stored and plugin.status in UNLOADED:
                made_with = f"this run was made with {plugin.distribution} {stored[plugin.distribution]}"
                _add_unloaded(mistakes, folder, plugin, made_with)
        if not mistakes.problems:
            raise
        try:
            mistakes.finish()
        except PluginError as named:
            raise named from error


def _add_unloaded(mistakes: Mistakes, folder: RunFolder, plugin: Plugin, made_with: str) -> None:
    """Add the problem that a run was made with a plugin that is disabled or does not load."""
    if plugin.status == "disabled":
        hint = f"Unset RADFIELD_DISABLE_PLUGINS, or remove {plugin.name} from it"
        mistakes.add(str(folder.path), f"{made_with}, which is disabled", hint, PluginError)
        return
    message = f"{made_with}, which does not load: {plugin.message}"
    mistakes.add(str(folder.path), message, "radfield plugins doctor", BrokenPlugin)


def _stored_plugins(folder: RunFolder) -> dict[str, str]:
    """Return distribution -> version from the run's plugins.json, sorted by name.

    The file may come from a stranger, so a name that no distribution can have is left out.
    """
    try:
        stored = folder.stored_plugins()
    except StorageError:
        return {}
    return {
        name: version
        for name, version in sorted(stored.items())
        if _DISTRIBUTION.fullmatch(name) and _VERSION.fullmatch(version)
    }


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


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
