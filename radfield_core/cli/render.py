"""`radfield render`: pictures of views and a video along a camera path, from a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.errors import UsageError

HELP = "Write pictures (color, depth, opacity, normals where there are any) of views, and a video."


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("path", metavar="RUN", help="a run folder or one of its checkpoints")
    parser.add_argument("--split", default="test", help="split whose views are rendered (default: test)")
    parser.add_argument(
        "--views", default="4", help="all, a number of evenly spread ones, or numbers such as 0,5,9; 0 for none"
    )
    parser.add_argument(
        "--path", dest="camera_path", default="auto", metavar="PATH",
        help="camera path of the video: turntable, spiral, none, or auto, which looks at the cameras (default)",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, default=60, help="frames of the video (default: 60, two seconds)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the pictures over that of the data's")
    parser.add_argument("--out", metavar="DIR", help="where pictures go (default: images/ in the run)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; by default the run's own")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the files written")


def run(args: Namespace) -> int:
    """Render; exit code 0."""
    if args.frames < 1:
        raise UsageError("a video has at least one frame", path="--frames", hint="--path none, for no video")
    if not 0 < args.scale <= 16:
        raise UsageError(f"{args.scale:g} is no sensible scale", path="--scale", hint="between 0 and 16")
    no_views = args.views.isdecimal() and not int(args.views)
    if no_views and args.camera_path == "none":
        raise UsageError("neither views nor a video is asked for", hint="--views 4, --path auto, or both")
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.render.camera_paths import check_name
    from radfield_core.runs.reports import render_path, render_split
    from radfield_core.runs.trained import open_run

    if args.camera_path != "none":
        check_name(args.camera_path)
    trained = open_run(Path(args.path), args.device)
    out = Path(args.out) if args.out else trained.folder.path / "images"
    files = []
    if not no_views:
        files += render_split(trained, args.split, args.views, out, scale=args.scale, quiet=args.quiet)
    if args.camera_path != "none":
        files.append(render_path(trained, args.camera_path, args.frames, out, scale=args.scale, quiet=args.quiet))
    print("\n".join(map(str, files)))
    return 0
