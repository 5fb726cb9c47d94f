"""Pictures as WebP inside a page, as small as a limit asks for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

QUALITY = 82
SAMPLE = 12
"""Number of pictures that are encoded to predict the size of all."""

SMALLEST = 24
"""Pixels along the longer side, below which a picture is not shrunk."""


def data_uri(content: bytes, kind: str = "image/webp") -> str:
    """Return bytes as a `data:` address of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def webp(picture: np.ndarray, scale: float = 1.0, quality: int = QUALITY) -> bytes:
    """Encode a picture [H, W, 3] uint8, after multiplying its sides by `scale`."""
    image = Image.fromarray(picture)
    side = max(image.size)
    if scale < 1.0 and side > SMALLEST:
        factor = max(scale, SMALLEST / side)
        width, height = (max(1, round(length * factor)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
    encoded = BytesIO()
    image.save(encoded, "webp", quality=quality, method=1)  # methods 2 … 6: smaller by at most 12 %, slower
    return encoded.getvalue()


def encoded_within(pictures: Sequence[np.ndarray], limit: float) -> list[bytes]:
    """Encode pictures [H, W, 3] uint8 so that all together have at most `limit` bytes, if this is possible.

    All of them are shrunk by the same factor.
    """
    if not pictures:
        return []
    sample = [pictures[len(pictures) * i // min(SAMPLE, len(pictures))] for i in range(min(SAMPLE, len(pictures)))]
    share = limit * len(sample) / len(pictures)
    scale = 1.0
    for _ in range(8):
        size = sum(len(webp(picture, scale)) for picture in sample)
        if size <= 0.9 * share or scale < 0.02:
            break
        scale *= min(0.9, float(np.sqrt(0.85 * share / size)))
    for _ in range(4):
        found = [webp(picture, scale) for picture in pictures]
        if sum(map(len, found)) <= limit:
            break
        scale *= 0.75
    return found
