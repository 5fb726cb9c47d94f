"""`radfield render`: renders pictures of views, and a video along a camera path."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radfield_core.cli.common import add_trained_run, check_run, place_of_data
from radfield_core.cli.say import say
from radfield_core.cli.show import add_show, picture_shower

if TYPE_CHECKING:
    from radfield_core.render.look import Look
    from radfield_core.render.trajectories import Trajectory
    from radfield_core.runs.trained import Trained
    from radfield_core.runs.video_paths import VideoPath

HELP = """Render pictures of views of a trained run as PNG files, and a video along a camera path. The pictures show
color, depth, opacity and, if the method provides them, normals."""

RAW = ("npy", "pfm", "exr")
VIDEOS = ("mp4", "gif", "webp", "none")
CAMERAS = ("data", "perspective", "equirectangular")


class _Paths(tuple[str, ...]):
    """The names of camera paths. It also contains the names of files that may hold one."""

    def __contains__(self, word: object) -> bool:
        return super().__contains__(word) or str(word).endswith(".json")


PATHS = _Paths(("auto", "turntable", "spiral", "cameras", "none"))


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
        choices=VIDEOS,
        help='format of the video: "mp4", "gif" or "webp"; "none" renders no video (default: "mp4" if the data set '
        'shows an object, or if --path or --frames is given; otherwise "none")',
    )
    _add_path(parser)
    _add_look(parser)
    parser.add_argument(
        "--raw",
        choices=RAW,
        help="also write depth, opacity and normals of each view as numbers, in the data's units and along its axes",
    )
    add_show(parser)
    parser.add_argument("--out", metavar="DIR", help="folder for the files (default: images/ in the run folder)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the names of the written files")


def _add_path(parser: ArgumentParser) -> None:
    """Add the arguments that choose the camera path and the length of the video."""
    parser.add_argument(
        "--path",
        dest="camera_path",
        metavar="PATH",
        choices=PATHS,
        help='camera path of the video: "turntable" (an orbit), "spiral", "cameras" (smoothly through all training '
        'cameras), a JSON file (saved in the viewer, or nerfstudio\'s camera_path.json), or "auto"; "auto" takes the '
        'path that the data set contains or, if it contains none, a path that suits its cameras; "none" renders no '
        "video (default: auto)",
    )
    parser.add_argument(
        "--between",
        nargs=2,
        metavar="IMAGE",
        help='move from the camera of one image to that of another; names of images, or of pictures such as "test-007"',
    )
    parser.add_argument(
        "--path-transform",
        metavar="FILE",
        help='the dataparser_transforms.json of nerfstudio\'s run, for a path of nerfstudio; "none" if the path is in '
        "the data's own coordinates (default: the file of this name beside the path)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        help="number of frames of the video, 30 per second (default: 60; 10 per camera, at most 300, for --path "
        "cameras; for a file, as many as it states, and with --frames as long as it states)",
    )


def _add_look(parser: ArgumentParser) -> None:
    """Add the arguments that set the size, the background and the crop of the pictures."""
    parser.add_argument(
        "--scale",
        type=float,
        help="size relative to the data set's images (default: 1, but videos are at most 400 pixels wide and high)",
    )
    parser.add_argument(
        "--camera",
        choices=CAMERAS,
        default="data",
        help='"equirectangular" renders 360° panoramas, twice as wide as high, and "perspective" renders without lens '
        "distortion, 90° wide if the data set has panoramas (default: the camera of the data set)",
    )
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
    video = _video(args, no_views)
    out, look, path = _check(args, no_views, video)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    show = picture_shower() if args.show else None
    from radfield_core.runs.reports import render_path, render_split
    from radfield_core.runs.stored_results import made_from
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device, place_of_data(args))
    quiet = args.quiet
    plan = _plan(args, trained, no_views, video, look, path)
    if not quiet:
        _announce(args, trained, plan, look)
    with nullcontext(out) if args.out else made_from(trained.folder, trained.checkpoint, "images") as out:
        files = []
        if not no_views:
            more = {"look": look, "raw": args.raw, "show": show, "quiet": quiet}
            files += render_split(trained, args.split, args.views, out, **more)
        if plan.video != "none":
            files.append(render_path(trained, plan.path, None, out, video=plan.video, look=plan.look, quiet=quiet))
    say(*files)
    return 0


class _Plan(NamedTuple):
    """The pictures and the video that a command renders.

    Attributes:
        pictures: True if pictures of views are rendered.
        video: format of the video, or "none".
        path: the frames of the video.
        look: size, background and crop of the video.
    """

    pictures: bool
    video: str
    path: VideoPath
    look: Look


def _video(args: Namespace, no_views: bool) -> str | None:
    """Return the format of the video, or "none". Return None if it depends on the data set."""
    if "none" in (args.video, args.camera_path):
        return "none"
    if args.video is not None:
        return str(args.video)
    if args.background == "transparent":
        return "none"
    chosen = (args.camera_path, args.between, args.frames)
    return "mp4" if no_views or any(option is not None for option in chosen) else None


def _plan(
    args: Namespace,
    trained: Trained,
    no_views: bool,
    video: str | None,
    look: Look,
    path: str | tuple[str, str] | Trajectory,
) -> _Plan:
    """Decide whether to render a video, and at which size. By default, it is small, and is made only of an object. A
    path in a file states its size."""
    from radfield_core.config.fit import capabilities_of
    from radfield_core.render.trajectories import Trajectory
    from radfield_core.runs.time_needed import small
    from radfield_core.runs.video_paths import video_path

    if video is None:
        video = "mp4" if "bounded" in capabilities_of(trained.run.data)[0] else "none"
    sized = args.scale is not None or args.width is not None or isinstance(path, Trajectory)
    moving = look if sized else small(trained, look)
    return _Plan(not no_views, video, video_path(trained.scenes, path, args.frames, moving), moving)


def _announce(args: Namespace, trained: Trained, plan: _Plan, look: Look) -> None:
    """Print what will be rendered and how long it takes. If no video was chosen, print the command that renders one."""
    from radfield_core.names import quoted
    from radfield_core.runs.time_needed import announcement, picture_cameras, seconds_per_ray

    pictures = picture_cameras(trained, args.split, args.views, look) if plan.pictures else []
    frame, n = plan.path.views[0].camera, len(plan.path.views)
    per_ray = seconds_per_ray(trained)
    say(f"renders {announcement(per_ray, pictures, None if plan.video == 'none' else frame, n)}")
    if plan.video == "none" and "none" not in (args.video, args.camera_path) and args.background != "transparent":
        text = announcement(per_ray, [], frame, n)
        say(f"to render {text}: radfield render {quoted(args.path)} --views 0 --video mp4")


def _check(args: Namespace, no_views: bool, video: str | None) -> tuple[Path, Look, str | tuple[str, str] | Trajectory]:
    """Return the folder to write to, the look of the pictures, and the camera path. No torch is imported.

    Raises an error that lists every mistake in the arguments.
    """
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder
    from radfield_core.render.look import Look
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_results import place_for

    path: str | tuple[str, str] | Trajectory = "auto"
    mistakes, out, look = Mistakes(), Path(args.out or "."), Look()
    with mistakes.collect():
        folder = check_run(args)
        out = Path(args.out) if args.out else place_for(folder, find_run(Path(args.path))[1], "images")
        check_folder(out)
    if args.frames is not None and args.frames < 1:
        mistakes.add("--frames", "a video needs at least 1 frame", "--video none, to render no video")
    if no_views and video == "none":
        mistakes.add("", "neither views nor a video would be rendered", "--views 4, or --video mp4")
    if args.raw == "exr" and find_spec("OpenEXR") is None:
        message = "EXR files are written by the package OpenEXR, which is not installed"
        mistakes.add("--raw", message, "pip install OpenEXR, or --raw npy")
    if args.raw is not None and no_views:
        mistakes.add("--raw", "no view is rendered; a video has no raw results", "--views 4")
    with mistakes.collect():
        look = _look(args, no_video=video == "none")
    with mistakes.collect():
        path = _camera_path(args)
    mistakes.finish()
    return out, look, path


def _camera_path(args: Namespace) -> str | tuple[str, str] | Trajectory:
    """Return the name of a camera path, two images, or the path in a file. Raises UsageError or DatasetError."""
    from radfield_core.errors import UsageError

    name = args.camera_path
    is_file = name is not None and name.endswith(".json")
    if args.between is not None and name is not None:
        raise UsageError("--between and --path exclude each other", path="--between", hint="Leave one of them out")
    if args.path_transform is not None and not is_file:
        hint = "--path camera_path.json --path-transform dataparser_transforms.json"
        raise UsageError("only a path of nerfstudio has a transform", path="--path-transform", hint=hint)
    if args.between is not None:
        return args.between[0], args.between[1]
    if is_file:
        from radfield_core.render.path_files import read_path

        return read_path(Path(name), args.path_transform)
    return "auto" if name in (None, "none") else str(name)


def _look(args: Namespace, *, no_video: bool) -> Look:
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
    return Look(1.0 if args.scale is None else args.scale, args.width, color, transparent, window, box, args.camera)
