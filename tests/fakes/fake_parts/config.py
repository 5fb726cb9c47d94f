"""Options of the fake parts: one of every type that an option may have."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from radfield_core.config.slots import Choice, option, slot


@attrs.frozen(kw_only=True)
class WaveConfig:
    n: int = option(4, help="waves", min=1, max=1000)
    scale: float = option(1.0, help="length", min=0, exclusive_min=True)
    tag: str = option("plain", help="any text")
    span: tuple[float, float] = option((0.0, 1.0), help="from, to")
    shifts: tuple[int, ...] = option((), help="any number")
    limit: float | None = option(None, help="or none")
    mode: Literal["soft", "hard"] = option("soft", help="one of two")
    on: bool = option(True, help="a switch")
    folder: Path = option(Path("here"), help="a path")


@attrs.frozen(kw_only=True)
class CellsConfig:
    levels: int = option(8, help="levels", min=1)
    smooth: bool = option(False, help="gives derivatives")
    inner: Choice | None = slot("encoding", optional=True, help="encoding within cells")


def cells_capabilities(config):
    return {"grad"} if config.smooth else set(), {"inner": {"grad"}}


@attrs.frozen(kw_only=True)
class BlobConfig:
    encoding: Choice = slot("encoding", default={"type": "wave", "n": 6}, help="of positions")
    direction_encoding: Choice | None = slot("encoding", default="wave", optional=True, help="of directions")
    width: int = option(32, help="units", min=1)


@attrs.frozen(kw_only=True)
class SlabConfig:
    thickness: float = option(0.5, help="thickness", min=0)


@attrs.frozen(kw_only=True)
class CrookedConfig:
    bend: float = option(0.1, help="bend")


@attrs.frozen(kw_only=True)
class BoxesConfig:
    root: str = option(help="the folder")
    skip: int = option(1, help="take every n-th", min=1)


@attrs.frozen(kw_only=True)
class CratesConfig:
    root: str = option(help="the folder")


@attrs.frozen(kw_only=True)
class DreamsConfig:
    views: int = option(3, help="how many", min=1)


@attrs.frozen(kw_only=True)
class StudyConfig:
    lr: float = option(1e-3, help="learning rate", min=0, exclusive_min=True)
    betas: tuple[float, float] = option((0.9, 0.999), help="decay", min=0, max=1)


def sniff_boxes(path: Path) -> str | None:
    return "has boxes.txt" if (path / "boxes.txt").is_file() else None


def sniff_crates(path: Path) -> str | None:
    return "has crates.txt" if (path / "crates.txt").is_file() else None


def sniff_and_fail(path: Path) -> str | None:
    raise RuntimeError("cannot bear to look")
