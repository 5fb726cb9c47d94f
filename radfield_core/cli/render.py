"""`radfield render`: renders pictures of views, and a video along a camera path."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.cli.common import add_trained_run, check_run

HELP = """Render pictures of views of a trained run as PNG files, and a video along a camera path. The pictures show
color, depth, opacity and, if the method provides them, normals."""

VIDEOS = ("mp4", "gif", "webp", "none")
PATHS = ("auto", "turntable", "spiral")
MAX_SCALE = 16


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_trained_run(parser)
    parser.add_argument("--split", default="test", help="the split whose views are rendered (default: test)")
    parser.add_argument(
        "--views",
        default="4",
        help='the views to render: a number of evenly spread views, a list of view numbers such as "0,5,9", or "all"; '
        "0 renders no view (default: 4)",
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
        "contains or, if it contains none, a path that suits its cameras (default: auto)",
    )
    parser.add_argument(
        "--frames", type=int, default=60, help="number of frames of the video, 30 per second (default: 60)"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="size relative to the data set's images (default: 1)")
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default: images/ in the run folder)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the names of the written files")


def run(args: Namespace) -> int:
    """Render and return exit code 0."""
    no_views = args.views.isdecimal() and not int(args.views)
    no_video = args.video == "none"
    out = _check(args, no_views and no_video)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.reports import render_path, render_split
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device)
    scale, quiet = args.scale, args.quiet
    files = [] if no_views else render_split(trained, args.split, args.views, out, scale=scale, quiet=quiet)
    if not no_video:
        path, video = args.camera_path, args.video
        files.append(render_path(trained, path, args.frames, out, video=video, scale=scale, quiet=quiet))
    print("\n".join(map(str, files)))
    return 0


def _check(args: Namespace, nothing_to_do: bool) -> Path:
    """Return the folder to write to. Raise an error that lists every mistake in the arguments. No torch is imported."""
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder

    mistakes, out = Mistakes(), Path(args.out or ".")
    with mistakes.collect():
        folder = check_run(args)
        out = Path(args.out) if args.out else folder.path / "images"
        check_folder(out)
    if args.frames < 1:
        mistakes.add("--frames", "a video needs at least 1 frame", "--video none, to render no video")
    if not 0 < args.scale <= MAX_SCALE:
        message = f"the scale must be above 0 and at most {MAX_SCALE}, but it is {args.scale:g}"
        mistakes.add("--scale", message, "--scale 1")
    if nothing_to_do:
        mistakes.add("", "neither views nor a video would be rendered", "--views 4, or --video mp4")
    mistakes.finish()
    return out
