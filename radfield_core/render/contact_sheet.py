"""A contact sheet of evaluated views: each rendering beside its true image, with the view's name and PSNR."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radfield_core.files.pictures import write_picture
from radfield_core.render.evaluation import ViewResult
from radfield_core.render.views import evenly_spread

SIDE, LABEL, GAP = 160, 14, 6  # largest side of a picture, height of a label, and gap between two views, in pixels
LABEL_WIDTH = 240  # least width for a pair of pictures, in pixels
COLUMNS = 4  # pairs of pictures per row
MAX_VIEWS = 400
"""A sheet shows at most this many views, evenly spread."""

MAX_NAME = 34  # characters of a name


class ContactSheet:
    """Collects small pictures of views and draws them on one sheet.

    Args:
        n_views: number of views that will be added.
    """

    def __init__(self, n_views: int):
        self._shown = set(evenly_spread(n_views, MAX_VIEWS))
        self._pairs: list[tuple[str, np.ndarray]] = []
        self._seen = 0

    def add(self, view: ViewResult) -> None:
        """Add a view, whose pictures must contain `truth` and `rendered`."""
        if self._seen in self._shown:
            pair = np.concatenate([_small(view.pictures[kind]) for kind in ("truth", "rendered")], 1)
            self._pairs.append((f"{view.name[-MAX_NAME:]}  {view.metrics['psnr']:.2f} dB", pair))
        self._seen += 1

    def drawn(self) -> np.ndarray:
        """Return the sheet [H, W, 3] uint8. In each pair, the true image is on the left."""
        from PIL import Image, ImageDraw

        width = max(LABEL_WIDTH, *(pair.shape[1] for _, pair in self._pairs)) + GAP
        height = max(pair.shape[0] for _, pair in self._pairs) + LABEL + GAP
        rows = -(-len(self._pairs) // COLUMNS)
        sheet = Image.new("RGB", (GAP + min(COLUMNS, len(self._pairs)) * width, GAP + rows * height), "white")
        draw = ImageDraw.Draw(sheet)
        for place, (label, pair) in enumerate(self._pairs):
            x, y = GAP + place % COLUMNS * width, GAP + place // COLUMNS * height
            sheet.paste(Image.fromarray(pair), (x, y))
            draw.text((x, y + pair.shape[0]), label.encode("ascii", "replace").decode(), fill="#333333")
        return np.asarray(sheet)

    def write(self, path: Path) -> Path:
        """Write the sheet as PNG and return the path. Raises OSError if the file cannot be written."""
        write_picture(path, self.drawn())
        return path


def _small(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(picture)
