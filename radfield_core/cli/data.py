"""`radfield data`: inspects, writes or converts a data set, or makes one from photographs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli import triangulate
from radfield_core.cli.common import add_quiet
from radfield_core.cli.say import say
from radfield_core.cli.stages import StageProgress

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice
    from radfield_core.data.scene import Scene
    from radfield_core.errors import Problem, RadfieldError
    from radfield_core.inspection.report import SplitReport
    from radfield_core.interfaces import Converter, DataParser
    from radfield_core.plugin import Component
    from radfield_core.plugins.registry import Registry

HELP = """Inspect a data set, write it in another format, convert it, make one from photographs by computing their
camera poses, or triangulate points with known poses."""

PHOTOGRAPHS = "photographs"
"""Name of the converter that `radfield data process` runs."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="inspect|make|convert|process|points", required=True)
    inspect = actions.add_parser(
        "inspect", help="describe a data set, list its faults, and draw its cameras and images"
    )
    inspect.add_argument("path", metavar="PATH", help="path of the data set; its format is recognized from its files")
    inspect.add_argument("--out", metavar="DIR", help="folder for the pictures (default: outputs/inspect/NAME)")
    make = actions.add_parser("make", help="write a data set (by default, the synthetic scene) in a given format")
    make.add_argument("folder", metavar="DIR", help="the folder to write to, which must be new or empty")
    make.add_argument("--format", metavar="NAME", required=True, help='name of the format to write, such as "blender"')
    make.add_argument("--data", metavar="PATH", default="synthetic", help="the data set to write (default: synthetic)")
    convert = actions.add_parser("convert", help="convert a data set to another format or layout")
    convert.add_argument("name", metavar="NAME", help='the format to write, or a converter such as "multiscale"')
    convert.add_argument("source", metavar="SRC", help="the data set to convert")
    convert.add_argument("target", metavar="DST", help="the folder to write to, which must be new or empty")
    process = actions.add_parser(
        "process", help="make a data set from photographs or a video by computing the camera poses"
    )
    process.add_argument(
        "source", metavar="PHOTOS", help="a folder with photographs of one static scene (subfolders too), or a video"
    )
    process.add_argument("target", metavar="DST", help="the folder to write to, which must be new or empty")
    process.add_argument(
        "--frames", metavar="N", help="number of frames to cut from a video (default: 100); short for frames=N"
    )
    process.set_defaults(name=PHOTOGRAPHS)
    for action in (inspect, make, convert, process, triangulate.configure(actions)):
        add_quiet(action)
        action.add_argument(
            "overrides",
            metavar="key=value",
            nargs="*",
            default=[],
            help="set an option of the converter, or of the format that is read",
        )


def more_help(argv: Sequence[str]) -> str:
    """Return text that lists the options of the converter that a command runs. It is empty for other actions."""
    from radfield_core.cli.options_help import names_of, options_of_part

    action, *words = [word for word in argv if not word.startswith("-")] or [""]
    if action in ("process", "points"):
        return options_of_part("converter", PHOTOGRAPHS if action == "process" else triangulate.TRIANGULATED)
    if action == "convert":
        return options_of_part("converter", words[0]) if words else names_of("converter")
    return ""


def run(args: Namespace) -> int:
    """Run the chosen action and return exit code 0."""
    from radfield_core.runtime.threads import set_policy

    set_policy()
    actions = {
        "inspect": _inspect, "make": _make, "convert": _convert, "process": _convert, "points": triangulate.run,
    }  # fmt: skip
    return actions[args.action](args)


def _inspect(args: Namespace) -> int:
    from radfield_core.errors import DatasetError, StorageError, unwritable
    from radfield_core.files.output import check_folder

    choice = _choice(args.path, args)
    folder, fault = Path(args.out or Path("outputs") / "inspect" / (Path(args.path).resolve().stem or "data")), None
    try:
        check_folder(folder)
    except StorageError as error:
        fault = error
        print("warning: no pictures will be drawn, because their folder cannot be written", file=sys.stderr)
    from radfield_core.config.view_options import divided
    from radfield_core.inspection.report import inspect

    reports = inspect(_parser(choice), args.quiet, divided(choice.config)[1].max_gigapixels)
    say(f"{args.path}: {choice.name}")
    for report in reports:
        _print_report(report)
    scenes = {report.split: report.scene for report in reports if report.scene is not None}
    problems = _faults(reports)
    if scenes and fault is None:
        try:
            _draw(scenes, folder)
        except OSError as error:
            fault = unwritable(error, folder)
    if problems:
        raise DatasetError(problems=[*problems, *(fault.problems if fault else ())])
    if fault:
        raise fault
    return 0


def _draw(scenes: dict[str, Scene], folder: Path) -> None:
    """Draw the cameras and some images of each split to files, and print the paths of these files."""
    from radfield_core.inspection.sheets import contact_sheet, frustum_picture

    folder.mkdir(parents=True, exist_ok=True)
    frustum_picture(scenes, folder / "cameras.png")
    contact_sheet(scenes, folder / "images.png")
    say(f"pictures: {folder / 'cameras.png'}, {folder / 'images.png'}")


def _print_report(report: SplitReport) -> None:
    from radfield_core.names import plural

    say(report.split if not report.absent else f"{report.split}: none ({report.absent})")
    for name, text in report.facts:
        say(f"  {name:<8} {text}")
    for warning in report.warnings:
        say(f"  warning: {warning}")
    if report.problems:
        print(f"  {plural(len(report.problems), 'fault')}, listed below")


def _faults(reports: list[SplitReport]) -> list[Problem]:
    """Return the faults of all splits. A fault that several splits share is listed once."""
    from radfield_core.errors import Problem

    problems = list(dict.fromkeys(problem for report in reports for problem in report.problems))
    if not problems and all(report.scene is None for report in reports):
        return [Problem("", "no split of the data set has images", "radfield data inspect --help")]
    return problems


def _make(args: Namespace) -> int:
    return _write(args.format, args.data, Path(args.folder), args)


def _write(form: str, data: str, folder: Path, args: Namespace) -> int:
    """Write a data set to a new folder, in the format `form`. If an error occurs, the folder is not created."""
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.durable import atomic_path
    from radfield_core.files.output import check_folder, require_empty
    from radfield_core.names import plural
    from radfield_core.plugin import load_of

    mistakes = Mistakes()
    with mistakes.collect():
        component = _writable_format(form)
    with mistakes.collect():
        require_empty(folder)
        check_folder(folder)
    with mistakes.collect():
        choice = _choice(data, args)
    mistakes.finish()
    assert component.writer is not None
    write = load_of(component, component.writer)
    scenes = _read_splits(choice, args.quiet)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        files = write(scenes, temporary)
    views = ", ".join(f"{split}: {plural(len(scene.cameras), 'view')}" for split, scene in scenes.items())
    say(f"{folder}: {choice.name} as {component.name}; {views}; {plural(len(files), 'file')}")
    return 0


def _convert(args: Namespace) -> int:
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder
    from radfield_core.names import plural, quoted
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    source, target = Path(args.source), Path(args.target)
    if not registry.candidates("converter", args.name) and registry.candidates("dataparser", args.name):
        return _write(args.name, args.source, target, args)
    mistakes = Mistakes()
    with mistakes.collect():
        if not registry.candidates("converter", args.name):
            raise _unknown_conversion(registry, args.name)
        frames = [f"frames={args.frames}"] if getattr(args, "frames", None) is not None else []
        choice = compose_part(registry, "converter", args.name, [*args.overrides, *frames])
    if not source.exists():
        mistakes.add(str(source), "there is no such file or folder", f"ls {quoted(source.parent)}")
    with mistakes.collect():
        check_folder(target)
    mistakes.finish()
    converter: Converter = choice.load()(choice.config)
    with StageProgress(converter, quiet=args.quiet, otherwise=f"convert {args.name}") as stages:
        files = converter.convert(source, target, stages.report)
    say(f"{target}: {args.name} of {source}, {plural(len(files), 'file')}")
    for remark in converter.remarks:
        say(remark)
    return 0


def _unknown_conversion(registry: Registry, name: str) -> RadfieldError:
    """Return the error for a name that is neither a converter nor a format.

    If a plugin that is not installed offers this name, the error says which plugin to install.
    """
    from radfield_core.errors import PluginError, UsageError
    from radfield_core.names import nearest

    names = sorted({*registry.names("converter"), *_formats(registry)})
    near = nearest(name, names)
    for kind in ("converter", "dataparser") if not near else ():
        try:
            registry.find(kind, name)
        except PluginError as error:
            return error
        except UsageError:
            continue
    return UsageError(
        f"unknown converter or format {name!r}; installed: {', '.join(names) or 'none'}",
        hint=f"Use {near}" if near else "radfield plugins list",
    )


def _choice(path: str, args: Namespace) -> Choice:
    """Return the format of the data set at `path`, with its options. This does not import the format's code."""
    from radfield_core.config.layers import compose_data
    from radfield_core.plugins.registry import get_registry

    choice, remarks = compose_data(get_registry(), path, args.overrides)
    if not args.quiet:
        for remark in remarks:
            say(remark, file=sys.stderr)
    return choice


def _parser(choice: Choice) -> DataParser:
    """Return the dataparser that reads a data set. This imports the format's code, and with it torch."""
    from radfield_core.interfaces.dataparser import open_data_set

    return open_data_set(choice)


def _writable_format(name: str) -> Component:
    """Return the format with this name. Raises UsageError if the format can be read but not written."""
    from radfield_core.errors import UsageError
    from radfield_core.plugins.registry import get_registry

    component = get_registry().find("dataparser", name)
    if component.writer is None:
        formats = _formats(get_registry())
        raise UsageError(
            f"{name} can be read but not written; formats that can be written: {', '.join(formats)}",
            path="--format",
            hint=f"--format {formats[0]}" if formats else "radfield plugins list",
        )
    return component


def _formats(registry: Registry) -> list[str]:
    """Return the names of the formats that can be written, in alphabetical order."""
    return sorted({each.name for each in registry.of_kind("dataparser") if each.writer is not None})


def _read_splits(choice: Choice, quiet: bool) -> dict[str, Scene]:
    """Read every split of a data set. Views whose images are missing are left out, with a warning.

    Images that are files are checked, because the writer copies these files unchanged. All other images are decoded.
    """
    from radfield_core.config.view_options import divided
    from radfield_core.data.bad_images import find_bad_images, raise_if_any
    from radfield_core.data.missing_images import MAX_MISSING_SHARE, find_missing
    from radfield_core.data.pixel_budget import check_pixels
    from radfield_core.errors import NoSuchSplit
    from radfield_core.runtime.progress import Progress

    scenes, parser = {}, _parser(choice)
    for split in parser.splits:
        try:
            scenes[split] = parser.parse(split)
        except NoSuchSplit:
            continue
    missing = find_missing(scenes)
    missing.check(MAX_MISSING_SHARE, len(scenes["train"].cameras) if "train" in scenes else 0)
    if missing.names:
        print(f"warning: {missing.warning}", file=sys.stderr)
    check_pixels(scenes, divided(choice.config)[1].max_gigapixels)
    for split, scene in scenes.items():
        if out := set(missing.views.get(split, ())):
            scene = scenes[split] = scene.only([view for view in range(len(scene.cameras)) if view not in out])
        if scene.images.path(0) is not None:
            raise_if_any(find_bad_images(scene, split, None, quiet=quiet))
            continue  # the writer copies the image files unchanged
        with Progress(f"{split} images", len(scene.images), quiet=quiet) as progress:
            scene.images.prepare(1024, progress.report)
    return scenes
