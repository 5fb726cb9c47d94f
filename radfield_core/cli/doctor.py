"""`radfield doctor`: reports on this machine and installation, for example for a bug report."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_core.plugins.registry import Registry

HELP = """Report versions, devices, accelerators, disk space and plugins, for example for a bug report. Every part is
imported, and every kernel is loaded on every device. The exit code is 1 if something is wrong."""

_GIB = 2**30


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="outputs",
        help="folder of the runs; the space on its disk is checked (default: outputs)",
    )


def run(args: Namespace) -> int:
    """Print the report. Return exit code 1 if something is wrong, and 0 otherwise."""
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    missing, versions = _versions()
    unusable = list(_unusable_parts(registry))
    kernels, broken_kernels = _kernels()
    sections = {
        "versions": versions,
        "devices": list(_devices()),
        "accelerators": list(_accelerators()),
        "kernels": kernels,
        "outputs": list(_outputs(Path(args.out))),
        "plugins": [(p.name, f"{p.status}, {p.distribution} {p.version}") for p in registry.plugins],
    }
    for title, rows in sections.items():
        print(title)
        for name, text in rows:
            print(f"  {name:<16}  {text}")
    faults = [*_faults(registry, missing), *unusable, *broken_kernels]
    for fault in faults:
        print(f"wrong: {fault}")
    return 1 if faults else 0


def _faults(registry: Registry, missing: list[str]) -> Iterator[str]:
    """Yield messages about missing requirements, invalid environment variables and plugins that do not load."""
    from radfield_core.errors import UsageError
    from radfield_core.ops import backend
    from radfield_core.runtime import threads

    for name in missing:
        yield f"{name} is required but not installed; try: pip install {name}"
    for requested in (threads.requested, backend.requested):
        try:
            requested()
        except UsageError as error:
            yield from map(str, error.problems)
    broken = [plugin.name for plugin in registry.plugins if plugin.status not in ("ok", "disabled")]
    if broken:
        yield f"plugins that do not load: {', '.join(broken)}; try: radfield plugins doctor"


def _unusable_parts(registry: Registry) -> Iterator[str]:
    """Import the code of every part. Yield a message about each part whose code cannot be imported."""
    from radfield_core.errors import PluginError
    from radfield_core.plugin import load_of

    for part in registry.components:
        try:
            load_of(part, part.impl)
        except PluginError as error:
            yield f"{error.problems[0].message}; try: pip install --upgrade {part.distribution}"


def _kernels() -> tuple[list[tuple[str, str]], list[str]]:
    """Load the kernels of every op on every device.

    Returns:
        Two lists: one row per op, backend and device, with the complete reason if the kernels cannot be loaded, and one
        message per backend that cannot be loaded.
    """
    import torch

    from radfield_core.ops.backend import in_one_line, ops

    rows, faults = list[tuple[str, str]](), list[str]()
    devices = [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
    for op in ops():
        for device in devices:
            for backend, reason in op.installed(device).items():
                lines = "".join(f"\n    | {line}" for line in reason.splitlines())
                rows.append((op.name, f"{backend} on {device} {'does not load:' if reason else 'loads'}{lines}"))
                if reason:
                    text = f"{op.name}: {backend} does not load on {device}: {in_one_line(reason)}"
                    faults.append(f"{text}; try: pip install --force-reinstall {backend}")
    return rows, faults


def _versions() -> tuple[list[str], list[tuple[str, str]]]:
    """Return two lists: the names of core's missing requirements, and (name, version) for each installed
    requirement."""
    import platform
    import re
    from importlib.metadata import PackageNotFoundError, requires, version

    rows = [("python", f"{platform.python_version()} ({platform.platform()})"), ("radfield-core", _core_version())]
    missing = []
    for requirement in requires("radfield-core") or []:
        match = re.match(r"[\w.-]+", requirement)
        if match is None or "extra ==" in requirement:
            continue
        try:
            rows.append((match[0], version(match[0])))
        except PackageNotFoundError:
            missing.append(match[0])
    return missing, rows


def _core_version() -> str:
    from radfield_core import API_VERSION, __version__

    return f"{__version__} (plugin interface {API_VERSION[0]}.{API_VERSION[1]})"


def _devices() -> Iterator[tuple[str, str]]:
    """Yield (name, description) for the CPU and for every CUDA device."""
    import os
    import platform

    import torch

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB if hasattr(os, "sysconf") else 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = f"{torch.get_num_threads()} torch threads (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')})"
    yield "cpu", f"{platform.processor() or platform.machine()}, {cores} cores, {memory:.0f} GiB, {threads}"
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}", f"{device.name}, {device.total_memory / _GIB:.0f} GiB"
    if not torch.cuda.device_count():
        yield "cuda", "none" if torch.version.cuda else "none, because the installed torch supports only the CPU"


def _accelerators() -> Iterator[tuple[str, str]]:
    """Yield the name and the version of each optional package that runs kernels.

    If a package cannot be imported, yield the reason instead of the version.
    """
    import os
    from importlib import import_module
    from importlib.util import find_spec

    from radfield_core.ops.backend import NAMES, VARIABLE

    for name in NAMES:
        if name == "torch":
            continue
        if find_spec(name) is None:
            yield name, "not installed"
            continue
        try:
            yield name, getattr(import_module(name), "__version__", "installed")
        except Exception as error:  # a broken package may raise any exception, and this report must name it
            yield name, f"does not load: {type(error).__name__}: {error}".splitlines()[0]
    yield VARIABLE, os.environ.get(VARIABLE) or "unset: the fastest available one is used"


def _outputs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield a row about the folder of the runs: its path, the free space on its disk, and whether it is writable."""
    import shutil

    from radfield_core.errors import StorageError
    from radfield_core.files.output import check_folder

    path = folder.absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / _GIB
    try:
        check_folder(path)
        fault = ""
    except StorageError as error:
        fault = f"; {error.problems[0].message}"
    yield "folder", f"{path}, {free:.1f} GiB free{fault}"
