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
from radfield_core import DatasetError, Problem, natural_key, plural
from radfield_core.data import IMAGE_SUFFIXES, MAX_IMAGE_PIXELS, FileImages, read_headers

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands in the first bytes of HEIC files (ISO/IEC 23008-12). Telephones also give such files the ending .jpg."""

AT_LEAST = 3
"""The smallest number of photographs from which a scene can be solved."""

OTHER_IMAGES = (
    ".avif", ".bmp", ".gif", ".jxl", ".exr", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2",
)  # fmt: skip
"""Endings of images in formats that are not read."""

_LISTED = 10
_ADVICE = "Take photographs from many positions, not from a single one. Let each overlap its neighbors by two thirds"

_HEIF, _UNREADABLE = "HEIC photographs, because pillow-heif is not installed", "photographs that cannot be decoded"
_NO_HEIF = "is a HEIC photograph, and pillow-heif is not installed"
_VIDEO, _OTHER_IMAGE = "videos", "images in other formats than PNG, JPEG, WebP and TIFF"
OTHER_CONTENT = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*")
"""First bytes of JPEG, PNG, WebP and TIFF files. Such a file is read as what it is, even if its ending is .heic."""

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


def collect(source: Path, target: Path, progress: Callable[[int, int], None], skip_bad: bool = False) -> Collected:
    """Copy all photographs of a folder and its subfolders. HEIC photographs are written as JPEG files.

    Args:
        source: folder of the photographs.
        target: existing folder to copy to. Subfolders are kept.
        progress: called as progress(files read, all files).
        skip_bad: if True, leave out photographs that cannot be decoded. If False, they are an error.

    Raises:
        DatasetError: photographs cannot be decoded, or fewer than three can be read. The error names the cause, and
            each unreadable file.
    """
    found, heif = _sorted_out(source)
    names = [name for name in found.names if name not in heif]
    paths = [source / name for name in names]
    headers, _ = read_headers(paths)
    faults = dict(FileImages(paths, 3, headers=headers).check(lambda done, of: progress(done, len(found.names))))
    kept = [name for index, name in enumerate(names) if index not in faults]
    copies = {name: f"{name}.jpg" if _is_named_heif(name) else name for name in kept}
    for name, copy in copies.items():
        (target / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / copy)
    kept = list(copies.values())
    reasons = {names[index]: reason for index, reason in faults.items()}
    for index, name in enumerate(heif):
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
    result = Collected(sorted(kept, key=natural_key), skipped)
    if len(kept) < AT_LEAST:
        raise _too_few(source, result, reasons)
    if not skip_bad and (unread := {**reasons, **dict.fromkeys(found.skipped.get(_HEIF, ()), _NO_HEIF)}):
        raise _unread(source, unread)
    return result


def _unread(source: Path, faults: dict[str, str]) -> DatasetError:
    """Return the error for photographs that cannot be decoded, although the others can."""
    problems = [Problem(str(source / name), why) for name, why in list(faults.items())[:_LISTED]]
    hint = _HINTS[_HEIF] if _NO_HEIF in faults.values() else "Copy these photographs from the camera again"
    text = f"{plural(len(faults), 'photograph')} cannot be read"
    more = f", of which {_LISTED} are listed" if len(faults) > _LISTED else ""
    last = Problem(str(source), f"{text}{more}", f"{hint}, or add skip_bad_images=true to leave them out")
    return DatasetError(problems=[*problems, last])


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


def _sorted_out(source: Path) -> tuple[Collected, list[str]]:
    """Divide the files of a folder and its subfolders into photographs and other files.

    The second value lists the photographs that are HEIC by their content, whatever their ending.
    """
    names, heif, skipped = list[str](), list[str](), dict[str, list[str]]()
    for path in _files(source):
        name, reason = str(path.relative_to(source)), _reason(path.relative_to(source), source)
        if not reason and is_heif(path):
            heif.append(name)
            reason = _HEIF if heif_reader() is None else ""
        if reason:
            skipped.setdefault(reason, []).append(name)
        else:
            names.append(name)
    return Collected(names, skipped), [name for name in heif if name in set(names)]


def is_heif(path: Path) -> bool:
    """Return True if a file has the content of a HEIC photograph, or only its ending and cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except OSError:
        return False
    if head.startswith(OTHER_CONTENT):
        return False
    return (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS) or _is_named_heif(path.name)


def _is_named_heif(name: str) -> bool:
    return name.lower().endswith(HEIF_SUFFIXES)


def _files(source: Path) -> Iterator[Path]:
    """Yield all files of a folder and its subfolders, in the natural order of their paths.

    Links to folders are not followed.
    """
    for folder, subfolders, files in os.walk(source):
        subfolders.sort(key=natural_key)
        yield from (Path(folder) / name for name in sorted(files, key=natural_key))


def _reason(name: Path, source: Path) -> str:
    """Return the reason why a file is not read, or "" if its name is that of a photograph."""
    suffix = name.suffix.lower()
    if any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
        return _HIDDEN
    if any(part.lower() in ("mask", "masks") for part in name.parent.parts):
        return _MASK
    if any(_SCALED.fullmatch(part) for part in name.parent.parts) and (source / "images").is_dir():
        return _COPY
    if suffix in (*IMAGE_SUFFIXES, *HEIF_SUFFIXES):
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
