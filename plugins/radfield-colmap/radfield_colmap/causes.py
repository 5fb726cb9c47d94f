"""Why cameras could not be solved: two scenes, blur, or too few features. Each cause is measured before it is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core import DatasetError, plural

LEAST = 3
"""Smallest number of registered photographs of a usable reconstruction."""

LEAST_SHARE = 1 / 3
"""If a smaller share of the photographs is registered, solving has failed."""

OTHER_SCENE = 0.5
"""A second reconstruction with at least this share of the first one's photographs is a scene of the same rank."""

BLURRED = 0.015
"""Photographs with a smaller `fine_detail` are blurred. It is 0.03 to 0.5 for sharp ones, and 0.02 for soft video."""

_FEW_FEATURES = 100
_JUDGED_SIDE = 800
_NAMED = 3

ADVICE = (
    "Take photographs from many positions, not from a single one. Let each overlap its neighbors by two thirds",
    "Take sharp photographs in even light, and remove blurred ones",
    "Choose a static scene with texture, not only mirrors, glass or bare walls",
)


def separate(scenes: Sequence[frozenset[str]]) -> list[int]:
    """Return the numbers of the reconstructions that show something else than those before them, the largest first.

    Reconstructions may share photographs. One that shares half of its own shows the same as another one.

    Args:
        scenes: names of the photographs of each reconstruction.
    """
    kept, known = list[int](), set[str]()
    for number in sorted(range(len(scenes)), key=lambda number: -len(scenes[number])):
        if len(scenes[number]) >= LEAST and 2 * len(scenes[number] & known) < len(scenes[number]):
            kept.append(number)
            known |= scenes[number]
    return kept


def listed(names: Sequence[str]) -> str:
    """Return some of the names, evenly chosen, as text."""
    chosen = np.unique(np.linspace(0, len(names) - 1, min(_NAMED, len(names))).astype(int))
    return ", ".join(names[i] for i in chosen) + (" …" if len(names) > _NAMED else "")


def described(scenes: Sequence[Sequence[str]]) -> str:
    """Return the number of photographs of each scene, with some of their names, as text."""
    texts = [f"scene {i}: {plural(len(names), 'photograph')} ({listed(names)})" for i, names in enumerate(scenes, 1)]
    return "; ".join(texts)


def check_scenes(scenes: Sequence[Sequence[str]], chosen: int | None, source: Path) -> int:
    """Return the number of the scene to keep, from 0 on.

    Args:
        scenes: sorted names of the photographs of each scene, the largest first.
        chosen: number of the scene that the user chose, from 1 on, or None.
        source: the source, for messages.

    Raises:
        DatasetError: there are several scenes of about the same size and none is chosen, or the chosen one is missing.
    """
    if chosen is None:
        if len(scenes) > 1 and len(scenes[1]) >= OTHER_SCENE * len(scenes[0]):
            raise DatasetError(
                "the photographs show several scenes, or parts of one that do not overlap. " + described(scenes),
                path=str(source), hint="Add scene=1 or scene=2, or add photographs that show both parts",
            )  # fmt: skip
        return 0
    if chosen > len(scenes):
        found = described(scenes) or "no scene"
        raise DatasetError(f"scene={chosen} was not found. {found}", path=str(source), hint="Add scene=1")
    return chosen - 1


def too_few(registered: int, names: Sequence[str], images: Path, features: Sequence[int], where: str) -> str:
    """Return the sentences about a failure: how many photographs were registered, and what was measured.

    Args:
        registered: number of registered photographs.
        names: names of all photographs.
        images: their folder.
        features: number of features of each photograph.
        where: numbers of photographs by subfolder, or "".
    """
    inside = f" ({where})" if where else ""
    if registered < 2:
        text = f"no two photographs could be matched, of {len(names)}{inside}"
    else:
        text = f"only {registered} of {len(names)} photographs{inside} could be put into one scene"
    blurred = blurred_photographs(images, names)
    if 2 * len(blurred) > len(names):
        return f"{text}: {len(blurred)} of them are blurred ({listed(blurred)})"
    poor = [name for name, n in zip(names, features, strict=True) if n < _FEW_FEATURES]
    if 2 * len(poor) > len(names):
        return f"{text}: {len(poor)} of them show too little texture to recognize anything again ({listed(poor)})"
    return text


def advice(text: str) -> str:
    """Return the advice that suits the text of a failure, as `too_few` returns it."""
    return ADVICE[1] if "are blurred" in text else ADVICE[2] if "little texture" in text else ADVICE[0]


def blurred_photographs(images: Path, names: Sequence[str]) -> list[str]:
    """Return the names of the photographs that are blurred."""
    return [name for name in names if fine_detail(_gray(images / name)) < BLURRED]


def fine_detail(gray: np.ndarray) -> float:
    """Return how much detail of one pixel a picture [H, W] has, as a share of its detail of four or eight pixels.

    Detail is the variance of the second difference. Natural pictures have about as much of it at every size. The
    direction with the least detail counts, because moving the camera blurs in one direction only.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(64, 64))
        >>> fine_detail(noise) > 1.0, fine_detail((noise + np.roll(noise, 1, 1)) / 2) < fine_detail(noise)
        (True, True)
    """
    coarse = [variance for size in (4, 8) for variance in _second_differences(_reduced(gray, size))]
    if max(coarse, default=0.0) <= 0.0:
        return 1.0  # a picture of nothing is not blurred
    return min(_second_differences(gray)) / max(coarse)


def _second_differences(x: np.ndarray) -> list[float]:
    """Return the variances of the second differences of x [H, W] in four directions. It is empty for a tiny picture."""
    if min(x.shape) < 3:
        return []
    height, width = x.shape
    found = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        after = x[1 + down : height - 1 + down, 1 + right : width - 1 + right]
        before = x[1 - down : height - 1 - down, 1 - right : width - 1 - right]
        found.append(float((after + before - 2 * x[1:-1, 1:-1]).var()))
    return found


def _reduced(x: np.ndarray, size: int) -> np.ndarray:
    """Return the means of x [H, W] over blocks of size × size pixels."""
    height, width = (n // size * size for n in x.shape)
    means: np.ndarray = x[:height, :width].reshape(height // size, size, width // size, size).mean((1, 3))
    return means


def _gray(path: Path) -> np.ndarray:
    """Return the brightness [H, W] of a photograph, reduced to 800 pixels."""
    with Image.open(path) as image:
        gray = image.convert("L")
    if max(gray.size) > _JUDGED_SIDE:
        factor = _JUDGED_SIDE / max(gray.size)
        gray = gray.resize((round(gray.width * factor), round(gray.height * factor)), Image.Resampling.BOX)
    return np.asarray(gray, dtype=np.float32)


def features_of(pycolmap: Any, database: Path) -> list[int]:
    """Return the number of features of each photograph in the database, in the order of their names."""
    with pycolmap.Database.open(database) as opened:
        images = sorted(opened.read_all_images(), key=lambda image: image.name)
        return [int(opened.num_keypoints_for_image(image.image_id)) for image in images]
