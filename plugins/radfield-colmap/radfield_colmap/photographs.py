"""Search a folder and its subfolders for photographs. Other files are listed with the reason why they are not read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from radfield_colmap.video import VIDEO_SUFFIXES
from radfield_core import DatasetError, Problem, plural
from radfield_core.data import IMAGE_SUFFIXES, MAX_IMAGE_PIXELS, FileImages, read_headers

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
AT_LEAST = 3
"""The smallest number of photographs from which a scene can be solved."""

OTHER_IMAGES = (
    ".avif", ".bmp", ".gif", ".jxl", ".exr", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2",
)  # fmt: skip
"""Endings of images in formats that are not read."""

_LISTED = 10
_ADVICE = "Take photographs from many positions, not from a single one. Let each overlap its neighbors by two thirds"

_HEIF, _UNREADABLE = "HEIC photographs, because pillow-heif is not installed", "photographs that cannot be decoded"
_VIDEO, _OTHER_IMAGE = "videos", "images in other formats than PNG, JPEG, WebP and TIFF"
_MASK, _COPY, _HIDDEN = "masks", "smaller copies", "hidden files"
_HINTS = {
    _HEIF: 'pip install "radfield-colmap[heic]"',
    _VIDEO: "radfield data process {example} DIR",
    _OTHER_IMAGE: "Convert them to JPEG or PNG",
    _UNREADABLE: "Copy these photographs from the camera again",
}
"""Reason why files are not read -> advice. It is shown if these files are the likely cause of too few photographs."""

_SCALED = re.compile(r"images_\d+")


class Collected(NamedTuple):
    """Result of searching a folder for photographs.

    Attributes:
        names: paths of the photographs, relative to the folder, in the order of their names.
        skipped: table of reason -> the paths that are not read, relative to the folder.
    """

    names: list[str]
    skipped: dict[str, list[str]]

    def by_folder(self) -> Counter[str]:
        """Return subfolder -> number of photographs. The folder itself is "."."""
        return Counter(str(Path(name).parent) for name in self.names)

    def where(self) -> str:
        """Return the numbers of photographs by subfolder as text, or "" if there is only one folder."""
        folders = self.by_folder()
        texts = [f"{name if name != '.' else 'outside of subfolders'}: {n}" for name, n in folders.items()]
        return ", ".join(texts) if len(texts) > 1 else ""

    def remarks(self) -> list[str]:
        """Return lines for the user: a list of the subfolders, and the number and names of the files that are not
        read."""
        lines = [f"photographs of each subfolder: {self.where()}"] if self.where() else []
        for reason, names in self.skipped.items():
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            lines.append(f"not read: {plural(len(names), 'file')} ({reason}): {', '.join(names[:_LISTED])}{more}")
        return lines


def collect(source: Path, target: Path, progress: Callable[[int, int], None]) -> Collected:
    """Copy all photographs of a folder and its subfolders. HEIC photographs are written as JPEG files.

    Args:
        source: folder of the photographs.
        target: existing folder to copy to. Subfolders are kept.
        progress: called as progress(files read, all files).

    Raises:
        DatasetError: fewer than three photographs can be read. The error names the cause, and each unreadable file.
    """
    found = _sorted_out(source)
    names = [name for name in found.names if not name.lower().endswith(HEIF_SUFFIXES)]
    paths = [source / name for name in names]
    headers, _ = read_headers(paths)
    faults = dict(FileImages(paths, 3, headers=headers).check(lambda done, of: progress(done, len(found.names))))
    kept = [name for index, name in enumerate(names) if index not in faults]
    for name in kept:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    reasons = {names[index]: reason for index, reason in faults.items()}
    for index, name in enumerate(name for name in found.names if name not in set(names)):
        progress(len(names) + index, len(found.names))
        if fault := _write_heif(source / name, target / f"{name}.jpg"):
            reasons[name] = fault
        else:
            kept.append(f"{name}.jpg")
    progress(len(found.names), max(len(found.names), 1))
    skipped = {
        **found.skipped,
        **({_UNREADABLE: [f"{name} {why}" for name, why in reasons.items()]} if reasons else {}),
    }
    result = Collected(sorted(kept), skipped)
    if len(kept) < AT_LEAST:
        raise _too_few(source, result, reasons)
    return result


def _too_few(source: Path, found: Collected, faults: dict[str, str]) -> DatasetError:
    """Return the error for fewer than three photographs. Its hint is about the reason why most files are not read."""
    causes = {reason: names for reason, names in found.skipped.items() if reason in _HINTS}
    hint = _ADVICE if found.names else "Give the folder that holds the photographs, or a video"
    if causes:
        reason = max(causes, key=lambda reason: len(causes[reason]))
        hint = _HINTS[reason].format(example=shlex.quote(str(source / causes[reason][0])))
    counts = ", ".join(f"{plural(len(names), 'file')} not read ({reason})" for reason, names in found.skipped.items())
    text = f"holds {plural(len(found.names), 'photograph')}; at least {AT_LEAST} are needed"
    problems = [Problem(str(source / name), why) for name, why in faults.items()]
    return DatasetError(problems=[*problems, Problem(str(source), f"{text}; {counts}" if counts else text, hint)])


def _sorted_out(source: Path) -> Collected:
    """Divide the files of a folder and its subfolders, by their endings, into photographs and other files."""
    names, skipped = list[str](), dict[str, list[str]]()
    heif = heif_reader() is not None
    for path in _files(source):
        name, reason = str(path.relative_to(source)), _reason(path.relative_to(source), source, heif)
        if reason:
            skipped.setdefault(reason, []).append(name)
        else:
            names.append(name)
    return Collected(names, skipped)


def _files(source: Path) -> Iterator[Path]:
    """Yield all files of a folder and its subfolders, sorted by path. Links to folders are not followed."""
    for folder, subfolders, files in os.walk(source):
        subfolders.sort()
        yield from (Path(folder) / name for name in sorted(files))


def _reason(name: Path, source: Path, heif: bool) -> str:
    """Return the reason why a file is not read, or "" if its name is that of a photograph."""
    suffix = name.suffix.lower()
    if any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
        return _HIDDEN
    if any(part.lower() in ("mask", "masks") for part in name.parent.parts):
        return _MASK
    if any(_SCALED.fullmatch(part) for part in name.parent.parts) and (source / "images").is_dir():
        return _COPY
    if suffix in HEIF_SUFFIXES:
        return "" if heif else _HEIF
    if suffix in IMAGE_SUFFIXES:
        return ""
    return _VIDEO if suffix in VIDEO_SUFFIXES else _OTHER_IMAGE if suffix in OTHER_IMAGES else "no images"


def heif_reader() -> Callable[[], None] | None:
    """Return the function that makes Pillow open HEIC files, or None if pillow-heif is not installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return None
    found: Callable[[], None] = register_heif_opener
    return found


def _write_heif(path: Path, copy: Path) -> str:
    """Write a HEIC photograph as a JPEG file. Return the reason if it cannot be decoded, and "" otherwise."""
    from PIL import Image

    register = heif_reader()
    assert register is not None
    register()
    try:
        with Image.open(path, formats=["HEIF"]) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                return (
                    f"has {image.width}×{image.height} pixels; at most {MAX_IMAGE_PIXELS / 1e6:.0f} million are allowed"
                )
            copy.parent.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").save(copy, quality=95, subsampling=0, exif=image.getexif().tobytes())
    except Exception as error:  # for damaged files, decoders raise exceptions of many classes
        copy.unlink(missing_ok=True)
        return f"cannot be decoded: {error}"
    return ""
