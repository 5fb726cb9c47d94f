"""`radfield data points`: triangulates points for a data set that has none, with the poses that it states."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.say import say
from radfield_core.cli.stages import StageProgress

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice
    from radfield_core.data.known_points import KnownPoints
    from radfield_core.data.scene import Scene
    from radfield_core.interfaces import Converter

TRIANGULATED = "triangulated"
"""Name of the converter that triangulates the points of a COLMAP reconstruction."""

FORMAT = "colmap"
"""Name of the format that the converter reads and writes."""


def configure(actions: _SubParsersAction[ArgumentParser]) -> ArgumentParser:
    """Add the action `points` with its arguments to those of `radfield data`, and return its parser."""
    points = actions.add_parser(
        "points", help="triangulate points from the training views of a data set, with its poses"
    )
    points.add_argument("path", metavar="DATA", help="path of the data set")
    points.add_argument("--out", metavar="FILE", help="write the points to this .ply file, too")
    return points


def run(args: Namespace) -> int:
    """Triangulate points from the training views, and keep them in the cache folder. Return exit code 0."""
    from radfield_core.config.layers import compose_data, compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.names import quoted
    from radfield_core.plugins.registry import get_registry

    mistakes = Mistakes()
    registry, out = get_registry(), None if args.out is None else Path(args.out)
    of_data = [word for word in args.overrides if word.startswith("data.")]
    with mistakes.collect():
        choice, remarks = compose_data(registry, args.path, of_data)
    with mistakes.collect():
        others = [word for word in args.overrides if not word.startswith("data.")]
        part = compose_part(registry, "converter", TRIANGULATED, others)
    if out is not None:
        with mistakes.collect():
            _check_out(out)
    mistakes.finish()
    for remark in remarks if not args.quiet else ():
        say(remark)
    scene = _training_scene(choice, args.path, quiet=args.quiet, refuse_known=out is None)
    converter: Converter = part.load()(part.config)
    points = triangulated(scene, converter, quiet=args.quiet)
    for remark in converter.remarks:
        say(remark)
    _keep(points, choice, out)
    of_train = " ".join([quoted(args.path), *of_data])
    say(f"radfield train --data {of_train} uses them")
    return 0


def _keep(points: KnownPoints, choice: Choice, out: Path | None) -> None:
    """Write points to the cache folder, and to a PLY file if `out` is given. Print the names of the files."""
    from radfield_core.config.view_options import divided
    from radfield_core.data.known_points import points_file
    from radfield_core.data.point_files import ply_points
    from radfield_core.errors import unwritable
    from radfield_core.files.durable import write_durably

    if out is not None:
        write_durably(out, ply_points(points.points.numpy(), points.colors.numpy()))
        say(f"{out}: the points in the data's own coordinates, with colors")
    try:
        path = points_file(choice.name, divided(choice.config)[0])
    except OSError as error:
        raise unwritable(error, Path("cache")) from error
    points.write(path)
    say(f"{path}: kept for training")


def _check_out(out: Path) -> None:
    """Raise an error unless a PLY file can be written at a path."""
    from radfield_core.errors import UsageError
    from radfield_core.files.output import check_file

    if out.suffix.lower() != ".ply":
        raise UsageError(f"{out} does not end in .ply", path="--out", hint=f"--out {out.with_suffix('.ply')}")
    check_file(out)


def _training_scene(choice: Choice, path: str, *, quiet: bool, refuse_known: bool) -> Scene:
    """Return the training split of a data set, without views whose images are missing.

    Raises:
        UsageError: the data set has points of its own, and `refuse_known` is True.
        DatasetError: images are damaged.
    """
    from radfield_core.config.view_options import divided
    from radfield_core.data.bad_images import find_bad_images, raise_if_any
    from radfield_core.data.missing_images import MAX_MISSING_SHARE, find_missing
    from radfield_core.data.pixel_budget import check_pixels
    from radfield_core.errors import UsageError
    from radfield_core.interfaces.dataparser import open_data_set
    from radfield_core.names import plural

    scene = open_data_set(choice, triangulated=False).parse("train")
    if refuse_known and scene.points is not None and len(scene.points):
        raise UsageError(
            f"this data set has {plural(len(scene.points), 'point')} of its own, which training uses", path=path,
            hint="Add --out FILE.ply to triangulate others into a file",
        )  # fmt: skip
    missing = find_missing({"train": scene})
    missing.check(MAX_MISSING_SHARE, len(scene.cameras))
    out = set(missing.views.get("train", ()))
    scene = scene.only([view for view in range(len(scene.cameras)) if view not in out]) if out else scene
    check_pixels({"train": scene}, divided(choice.config)[1].max_gigapixels)
    raise_if_any(find_bad_images(scene, "train", None, quiet=quiet))
    return scene


def triangulated(scene: Scene, converter: Converter, *, quiet: bool) -> KnownPoints:
    """Return points that are triangulated from the views of a scene. All cameras stay as they are.

    The views are written as a COLMAP reconstruction without points into a temporary folder, and converted there.

    Args:
        scene: the training split.
        converter: converter from a COLMAP reconstruction to the same with points.
        quiet: if True, show no progress.
    """
    from dataclasses import replace

    from radfield_core.config.layers import compose_data
    from radfield_core.data.known_points import KnownPoints
    from radfield_core.data.stored_views import views_to_store
    from radfield_core.interfaces.dataparser import open_data_set
    from radfield_core.plugin import load_of
    from radfield_core.plugins.registry import get_registry

    component = get_registry().find("dataparser", FORMAT)
    assert component.writer is not None
    # Masks of an object leave out the background, whose points are of no use either.
    bare = replace(scene, points=None, observations=None, ground_truth=None, depths=None, masks_mean="counted")
    with tempfile.TemporaryDirectory(prefix="radfield-points-") as scratch:
        known, found = Path(scratch) / "known", Path(scratch) / "found"
        known.mkdir()
        load_of(component, component.writer)({"train": bare}, known)
        with StageProgress(converter, quiet=quiet) as stages:
            converter.convert(known, found, stages.report)
        words = ["data.type=colmap", "data.orientation=none", "data.center=none", "data.auto_scale=false"]
        choice, _ = compose_data(get_registry(), str(found), [*words, "data.holdout=0"])
        read = open_data_set(choice, triangulated=False).parse("train")
    numbers = {view.file_name: view.index for view in views_to_store({"train": bare})}
    return KnownPoints.of(_in_order(bare, read, [numbers[name] for name in read.names]), _made_with(converter))


def _in_order(scene: Scene, read: Scene, numbers: Sequence[int]) -> Scene:
    """Return the views of a scene with numbers `numbers`, with the points of `read`, which has these views."""
    from dataclasses import replace

    from radfield_core.data.similarity import similarity_scale, transform_points

    chosen = scene.only(numbers)
    to_scene = chosen.to_data.double().inverse() @ read.to_data.double()
    assert read.points is not None and read.observations is not None
    seen = read.observations.scaled(similarity_scale(to_scene.numpy()))
    shift = read.cameras.pixel_center - scene.cameras.pixel_center
    return replace(
        chosen, points=transform_points(to_scene, read.points.double()), point_colors=read.point_colors,
        observations=replace(seen, pixels=seen.pixels + shift),
    )  # fmt: skip


def _made_with(converter: Converter) -> str:
    """Return the last word of a converter's first remark, which names its program and version, or its class."""
    return converter.remarks[0].rpartition("with ")[2] if converter.remarks else type(converter).__name__
