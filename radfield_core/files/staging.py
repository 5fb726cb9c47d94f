"""Write several files to a temporary folder, and put them into place when all of them are complete.

Until then, the files that they replace are unchanged. The functions call `os.rename` and `os.replace`, so that tests
can simulate a crash at each of these calls.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from radfield_core.files.durable import named, sync, temporary_path


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Provide an empty temporary folder beside `target`. It is deleted after the `with` block, unless it was moved.

    The folders above `target` are created. If the block raises an exception, those that were created are deleted.

    Raises:
        OSError: the folder cannot be created. An error of the block that names a file in the temporary folder names the
            file at its final place instead.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     target = Path(folder) / "new" / "points"
        ...     with staging_folder(target) as staged:
        ...         _ = (staged / "a.txt").write_text("text")
        ...         put_folder(staged, target)
        ...     (target / "a.txt").read_text()
        'text'
    """
    made = [folder for folder in target.parents if not folder.exists()]
    staged: Path | None = None
    try:
        staged = temporary_path(target)
        staged.mkdir()
        yield staged
    except BaseException as error:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            named(error, target, staged)
        raise
    shutil.rmtree(staged, ignore_errors=True)


def put_folder(staged: Path, target: Path) -> None:
    """Replace the folder `target` by the folder `staged`, or rename `staged` to `target` if there is none.

    Two folders cannot be exchanged in one step. If the process is killed between the two steps, the old folder is
    still there under the name `.replaced-<name>`.
    """
    for path in [staged, *staged.rglob("*")]:
        sync(path)
    old = target.with_name(f".replaced-{target.name}")
    if not target.exists():
        os.rename(staged, target)
    else:
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
        try:
            os.rename(staged, target)
        except BaseException:
            os.rename(old, target)
            raise
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def put_files(staged: Path, names: Sequence[str], folder: Path) -> list[Path]:
    """Move files from the folder `staged` to a folder, in the given order, and return their new paths.

    Files with the same names are replaced, each in one step.

    Args:
        staged: the folder that holds the files.
        names: their paths in `staged`, with slashes.
        folder: the folder to move them to.
    """
    for name in names:
        sync(staged / name)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged / name, folder / name)
    sync(folder)
    return [folder / name for name in names]
