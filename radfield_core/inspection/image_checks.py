"""Check the images of a split: which of them are blurred, transparent, of one color, or the same as another one.

`radfield data inspect` and `radfield train` collect the same findings while they go through the images once.
"""

from __future__ import annotations

import math

import numpy as np

from radfield_core.data.pairing import listed
from radfield_core.data.scene import Scene
from radfield_core.inspection import quality
from radfield_core.names import plural

OPAQUE_FROM = 128
"""A pixel is opaque if its alpha is at least this."""

MIN_OPAQUE_SHARE = 0.01
"""The user is told about an image with an alpha channel if less than this share of its pixels is opaque."""

MAX_CHECKED_PIXELS = 500_000_000
"""Before training, the images are checked only if they have at most this many pixels together. It takes about 1 s."""


class ImageChecks:
    """Collects findings about the images of a scene. Call `add` for each image, and then `findings`."""

    def __init__(self, scene: Scene):
        self._scene = scene
        self._scores: list[float] = []
        self._thumbnails: list[np.ndarray | None] = []
        self._channels: set[int] = set()
        self._opaque: dict[int, float] = {}
        self._uniform: list[str] = []

    def add(self, image: np.ndarray | None) -> None:
        """Check the next image [H, W, C] uint8. It is None if the image cannot be read."""
        view = len(self._scores)
        if image is None:
            self._scores.append(math.nan)
            self._thumbnails.append(None)
            return
        gray = quality.gray(image)
        self._scores.append(quality.sharpness(gray))
        self._thumbnails.append(quality.thumbnail(gray))
        self._channels.add(image.shape[-1])
        if image.shape[-1] == 4:
            self._opaque[view] = float((image[..., 3] >= OPAQUE_FROM).mean())
        if np.ptp(gray) == 0 and np.ptp(image.reshape(-1, image.shape[-1]), axis=0).max() == 0:
            self._uniform.append(self._scene.name(view))

    def findings(self) -> quality.Findings:
        """Return facts and warnings about all images."""
        kinds = {1: "gray", 3: "RGB", 4: "RGBA, straight alpha"}
        text = ", ".join(kinds[count] for count in sorted(self._channels))
        if self._opaque:
            text += f", {100 * (1 - sum(self._opaque.values()) / len(self._opaque)):.0f} % transparent"
        n_read = sum(small is not None for small in self._thumbnails)
        facts, warnings = quality.blur(self._scene, self._scores)
        warnings = [*warnings, *quality.duplicates(self._scene, self._thumbnails), *self._transparent()]
        if self._uniform:
            warnings.append(f"{listed(self._uniform)}: the image has a single color")
        return [("pixels", f"{text}; {plural(n_read, 'image')} can be read"), *facts], warnings

    def _transparent(self) -> list[str]:
        few = [self._scene.name(view) for view, share in self._opaque.items() if share < MIN_OPAQUE_SHARE]
        if not few:
            return []
        verb = "is" if len(few) == 1 else "are"
        return [f"{plural(len(few), 'image')} {verb} transparent nearly everywhere: {listed(few)}"]


def image_warnings(scene: Scene) -> list[str]:
    """Return warnings about the images of a scene.

    All images must be readable. If they are in files, call `prepare` first, so that each file is decoded only once.
    """
    if int(scene.cameras.sizes.prod(-1).sum()) > MAX_CHECKED_PIXELS:
        return ["blurred images and duplicates are not looked for in so many images; radfield data inspect finds them"]
    checks = ImageChecks(scene)
    for view in range(len(scene.images)):
        checks.add(scene.images[view].numpy())
    return checks.findings()[1]
