"""Files that `radfield eval` writes beside the results: a contact sheet, and the layout of NerfBaselines."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.say import say

if TYPE_CHECKING:
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.render.contact_sheet import ContactSheet
    from radfield_core.render.evaluation import ViewResult
    from radfield_core.runs.trained import Trained

LAYOUTS = ("nerfbaselines",)


def add_files(parser: ArgumentParser) -> None:
    """Add the arguments that choose these files."""
    parser.add_argument(
        "--sheet",
        action="store_true",
        help="write a contact sheet of all views beside their true images, as sheet-SPLIT.png in images/",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        help="also write the images and metrics in the layout of another project, whose tools then read them",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the files of --sheet and --layout (default: in the run folder)"
    )


def check_files(args: Namespace, mistakes: Mistakes) -> None:
    """Add a mistake for arguments that exclude each other, or a folder that cannot be written. No torch is imported."""
    from radfield_core.files.output import check_folder

    if args.metric is not None and (args.sheet or args.layout):
        message = "--sheet and --layout belong to image metrics, which --metric replaces"
        mistakes.add("", message, "Leave out --metric, or the other two")
    if args.out is not None and not (args.sheet or args.layout):
        mistakes.add("--out", "there is nothing to write to this folder", "Add --sheet or --layout nerfbaselines")
    if args.layout and "half" in (args.fit_color, args.fit_cameras):
        message = "this layout holds whole images, and --fit-color half and --fit-cameras half measure right halves"
        mistakes.add("--layout", message, "Leave out --layout, or the fit")
    if args.out is not None:
        with mistakes.collect():
            check_folder(Path(args.out))


@contextmanager
def files_written(args: Namespace, trained: Trained) -> Iterator[Callable[[ViewResult], None] | None]:
    """Provide a function that takes each evaluated view, or None if no files are wanted. Afterward, write the files."""
    if not (args.sheet or args.layout):
        yield None
        return
    from radfield_core.render.contact_sheet import ContactSheet
    from radfield_core.runs.nerfbaselines import names_of, predictions_archive
    from radfield_core.runs.stored_results import place_for

    def folder(name: str) -> Path:
        return Path(args.out) if args.out else place_for(trained.folder, trained.checkpoint, name)

    sheet = ContactSheet(len(trained.scenes.views(args.split).cameras))
    if not args.layout:
        yield sheet.add
    else:
        with predictions_archive(trained, args.split, folder(args.layout)) as predictions:

            def add(view: ViewResult) -> None:
                sheet.add(view)
                predictions.add(view)

            yield add
        say(*(folder(args.layout) / name for name in names_of(trained)))
    if args.sheet:
        say(_written(sheet, folder("images") / f"sheet-{args.split}.png"))


def _written(sheet: ContactSheet, path: Path) -> Path:
    from radfield_core.errors import unwritable

    try:
        return sheet.write(path)
    except OSError as error:
        raise unwritable(error, path) from error
