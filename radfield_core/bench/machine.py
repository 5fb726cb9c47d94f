"""Description of the machine on which a measurement is made."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("radfield-core", "torch", "numpy", "numba", "triton", "tinycudann", "gsplat", "nerfacc")


def machine(threads: int | None = None) -> dict[str, Any]:
    """Describe this machine by its processor, accelerator, package versions, number of threads and load.

    Args:
        threads: number of threads that the measurement uses. By default, the number of threads of torch is taken.
    """
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "threads": torch.get_num_threads() if threads is None else threads,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _versions() -> dict[str, str]:
    """Return package -> version for those packages of `PACKAGES` that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
