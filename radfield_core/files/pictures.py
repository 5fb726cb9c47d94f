"""Write pictures as PNG, JPEG or WebP files. A file appears only when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.files.durable import write_durably


def write_picture(path: Path, pixels: np.ndarray, **options: Any) -> None:
    """Write an 8-bit picture. The ending of the file name determines the format.

    The file appears only when it is complete. If writing fails, an existing file of the same name is unchanged.

    Args:
        path: a file ending in .png, .jpg, .jpeg or .webp. Missing parent folders are created.
        pixels: array of type uint8 and shape [H, W] or [H, W, C], where C is 1 (gray), 3 (RGB) or 4 (RGBA).
        **options: settings of Pillow's writer for this format, such as `quality=85` for a JPEG.

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
    import imageio.v3 as iio  # this import is slow, and few commands write pictures

    one_channel = pixels.ndim == 3 and pixels.shape[-1] == 1
    picture = np.ascontiguousarray(pixels[..., 0] if one_channel else pixels)
    encoded = iio.imwrite("<bytes>", picture, extension=path.suffix, plugin="pillow", is_batch=False, **options)
    write_durably(path, encoded)
