"""Pictures of pages, made by headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """Return the program of Chromium. Raises RuntimeError if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RuntimeError("a picture of a page needs Chromium: apt install chromium")
    return found


def screenshot(page: Path, width: int, height: int, *, dark: bool = False) -> Image.Image:
    """Return the top of a page on disk, as a window of that size shows it. Raises RuntimeError without a browser."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "page.png"
        words = [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={out}",
            f"--window-size={width},{height}", f"--user-data-dir={folder}/home", "--virtual-time-budget=4000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", page.resolve().as_uri(),
        ]  # fmt: skip
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        with Image.open(out) as image:
            return image.convert("RGB")
