"""Writing pictures: PNG, JPEG and WebP files that are complete or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.files.durable import write_durably


def write_picture(path: Path, pixels: np.ndarray, **options: Any) -> None:
    """Write an 8-bit picture in the format that the file's suffix names.

    The file appears when it is complete; if writing fails, an earlier file of the same name stays as it was.

    Args:
        path: a file ending in .png, .jpg, .jpeg or .webp; missing parent folders are made.
        pixels: uint8 of shape [H, W] or [H, W, C] with 1 (gray), 3 (RGB) or 4 (RGBA) channels.
        **options: settings of Pillow's writer for this format, such as `quality=85` of a JPEG.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "gray.png"
        ...     write_picture(path, np.full((4, 6), 128, dtype=np.uint8))
        ...     path.read_bytes()[1:4]
        b'PNG'
    """
    import imageio.v3 as iio  # takes long to import, and few commands write pictures

    one_channel = pixels.ndim == 3 and pixels.shape[-1] == 1
    picture = np.ascontiguousarray(pixels[..., 0] if one_channel else pixels)
    encoded = iio.imwrite("<bytes>", picture, extension=path.suffix, plugin="pillow", is_batch=False, **options)
    write_durably(path, encoded)
