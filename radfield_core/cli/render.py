"""`radfield render`: renders pictures of views, and a video along a camera path."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_trained_run, check_run, place_of_data
from radfield_core.runtime.output import say

if TYPE_CHECKING:
    from radfield_core.render.look import Look

HELP = """Render pictures of views of a trained run as PNG files, and a video along a camera path. The pictures show
color, depth, opacity and, if the method provides them, normals."""

VIDEOS = ("mp4", "gif", "webp", "none")
PATHS = ("auto", "turntable", "spiral", "none")


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_trained_run(parser)
    parser.add_argument("--split", default="test", help="the split whose views are rendered (default: test)")
    parser.add_argument(
        "--views",
        metavar="VIEWS",
        help='the views to render: a number of evenly spread views, a list of view numbers such as "0,5,9", or "all"; '
        "0 renders no view (default: 4, or all if there are fewer)",
    )
    parser.add_argument(
        "--video",
        metavar="FORMAT",
        default="mp4",
        choices=VIDEOS,
        help='format of the video: "mp4", "gif" or "webp"; "none" renders no video (default: mp4)',
    )
    parser.add_argument(
        "--path",
        dest="camera_path",
        metavar="PATH",
        default="auto",
        choices=PATHS,
        help='camera path of the video: "turntable", "spiral" or "auto"; "auto" takes the path that the data set '
        'contains or, if it contains none, a path that suits its cameras; "none" renders no video (default: auto)',
    )
    parser.add_argument(
        "--frames", type=int, default=60, help="number of frames of the video, 30 per second (default: 60)"
    )
    _add_look(parser)
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default: images/ in the run folder)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the names of the written files")


def _add_look(parser: ArgumentParser) -> None:
    """Add the arguments that set the size, the background and the crop of the pictures."""
    parser.add_argument("--scale", type=float, help="size relative to the data set's images (default: 1)")
    parser.add_argument("--width", metavar="PIXELS", type=int, help="width of the pictures; it replaces --scale")
    parser.add_argument(
        "--background",
        metavar="COLOR",
        help='color behind the scene: "white", "black", "gray", #RRGGBB or three numbers between 0 and 1; '
        '"transparent" writes pictures with an alpha channel (default: the background that evaluation uses)',
    )
    parser.add_argument(
        "--crop",
        metavar="NUMBERS",
        help="part to render: LEFT,TOP,RIGHT,BOTTOM in pixels of the picture, or a box X0,Y0,Z0,X1,Y1,Z1 in the data "
        "set's coordinates (default: everything)",
    )


def run(args: Namespace) -> int:
    """Render and return exit code 0."""
    no_views = args.views is not None and args.views.isdecimal() and not int(args.views)
    no_video = "none" in (args.video, args.camera_path)
    out, look = _check(args, no_views, no_video)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.reports import render_path, render_split
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device, place_of_data(args))
    quiet = args.quiet
    files = [] if no_views else render_split(trained, args.split, args.views, out, look=look, quiet=quiet)
    if not no_video:
        path, video = args.camera_path, args.video
        files.append(render_path(trained, path, args.frames, out, video=video, look=look, quiet=quiet))
    say(*files)
    return 0


def _check(args: Namespace, no_views: bool, no_video: bool) -> tuple[Path, Look]:
    """Return the folder to write to, and the look of the pictures. No torch is imported.

    Raises an error that lists every mistake in the arguments.
    """
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder
    from radfield_core.render.look import Look
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_results import place_for

    mistakes, out, look = Mistakes(), Path(args.out or "."), Look()
    with mistakes.collect():
        folder = check_run(args)
        out = Path(args.out) if args.out else place_for(folder, find_run(Path(args.path))[1], "images")
        check_folder(out)
    if args.frames < 1:
        mistakes.add("--frames", "a video needs at least 1 frame", "--video none, to render no video")
    if no_views and no_video:
        mistakes.add("", "neither views nor a video would be rendered", "--views 4, or --video mp4")
    with mistakes.collect():
        look = _look(args, no_video)
    mistakes.finish()
    return out, look


def _look(args: Namespace, no_video: bool) -> Look:
    """Return the size, the background and the crop of the pictures. Raises a UsageError that lists all mistakes in
    them."""
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.render.look import MAX_SCALE, Look, read_color, read_crop

    mistakes, color, window, box = Mistakes(), None, None, None
    if args.scale is not None and not 0 < args.scale <= MAX_SCALE:
        message = f"the scale must be above 0 and at most {MAX_SCALE}, but it is {args.scale:g}"
        mistakes.add("--scale", message, "--scale 1")
    if args.width is not None and args.width < 1:
        mistakes.add("--width", f"the width must be at least 1 pixel, but it is {args.width}", "--width 800")
    if args.width is not None and args.scale is not None:
        mistakes.add("--width", "--width and --scale exclude each other", "Leave one of them out")
    transparent = args.background == "transparent"
    if transparent and not no_video:
        mistakes.add("--background", "a video cannot be transparent", "--background transparent --video none")
    with mistakes.collect():
        color = None if transparent or args.background is None else read_color(args.background)
    with mistakes.collect():
        window, box = (None, None) if args.crop is None else read_crop(args.crop)
    mistakes.finish()
    return Look(1.0 if args.scale is None else args.scale, args.width, color, transparent, window, box)
