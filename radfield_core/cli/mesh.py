"""`radfield mesh`: makes a mesh with a texture from photographs, a video, a data set or a run."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_quiet
from radfield_core.cli.say import say
from radfield_core.errors import DatasetError, UsageError
from radfield_core.names import quoted

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice

HELP = """Make a mesh with a texture from a folder with photographs, from a video, from a data set with cameras, or from
a trained run. The stages are cameras, training, surface with texture, and a comparison with photographs. Each is a
command of its own, which is printed. Results of the stages stay in a working folder, and the same command continues
there."""

logger = logging.getLogger(__name__)

FORMATS = (".glb", ".obj", ".ply")
PLAN, CAMERAS, RUN = "mesh.json", "cameras", "run"
"""Names in the working folder."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "source",
        metavar="INPUT",
        help="a folder with photographs, a video, a data set with cameras, or a run",
    )
    parser.add_argument("--out", metavar="FILE", required=True, help="the mesh to write: .glb, .obj or .ply")
    parser.add_argument(
        "--work", metavar="DIR", help="folder for the results of the stages (default: the name of the mesh and -work)"
    )
    parser.add_argument(
        "--what", choices=("object", "scene", "auto"), default="auto",
        help='what the photographs show; "auto" finds out (default)',
    )  # fmt: skip
    parser.add_argument(
        "--surface", choices=("neus", "splat", "tsdf", "auto"), default="auto",
        help="where the surface comes from: a signed distance (neus), or depths of Gaussians (splat) or of a hash "
        'field (tsdf); "auto" takes neus for objects and splat for scenes (default)',
    )  # fmt: skip
    parser.add_argument(
        "--quality", choices=("draft", "good", "best"), default="good",
        help="training for 0.3, 1 or 3 times the steps of the preset, and textures of 1024, 2048 or 4096 texels",
    )  # fmt: skip
    add_quiet(parser)
    parser.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="set an option of the training")


def run(args: Namespace) -> int:
    """Run the stages that are left, and return exit code 0 or that of the stage that was ended."""
    source, out = Path(args.source), Path(args.out)
    _check(source, out)
    work = Path(args.work) if args.work is not None else out.with_name(f"{out.stem}-work")
    from radfield_core.runtime.threads import set_policy

    set_policy()
    stages = _Stages(args.quiet)
    trained = _as_run(source)
    if trained is None:
        code, trained = _train(args, source, work, stages)
        if code:
            stages.interrupted(args)
            return code
    exporter, options = _surface_of(trained, work)
    if not _is_newer(out, trained):
        code = stages.call("export", str(trained), "--out", str(out), "--exporter", exporter, *options)
        if code:
            return code
    if out.suffix.lower() == ".glb":
        _compare(trained, out, stages)
    say(out)
    return 0


def _compare(trained: Path, out: Path, stages: _Stages) -> None:
    """Compare a mesh with the photographs of the test split, and say if there are none or if they were trained on."""
    train, test = _names_of_views(trained)
    if not test:
        logger.warning("the data has no test views, so the mesh was not compared with photographs")
        return
    if train & test:
        logger.warning("the photographs compared are training photographs, so the PSNR is not that of new views")
    stages.call("eval", str(trained), "--metric", "texture", "--reference", str(out), quiet=True)
    say(f"pictures beside photographs: {trained / 'texture' / 'sheet.jpg'}")


def _check(source: Path, out: Path) -> None:
    """Raise a UsageError that lists every mistake in the paths."""
    from radfield_core.config.mistakes import Mistakes

    mistakes = Mistakes()
    if not source.exists():
        mistakes.add(str(source), "there is no such file or folder", f"ls {quoted(source.parent)}")
    if out.suffix.lower() not in FORMATS:
        mistakes.add("--out", f"{out.name} does not end in .glb, .obj or .ply", f"--out {quoted(out.stem)}.glb")
    mistakes.finish()


class _Stages:
    """Runs verbs, and prints the command of each."""

    def __init__(self, quiet: bool):
        self._quiet = quiet

    def call(self, verb: str, *words: str, quiet: bool = False) -> int:
        """Run a verb and return its exit code. The command is printed, unless --quiet was given."""
        from radfield_core.cli.parser import parse

        if not self._quiet:
            say(f"$ radfield {verb} {' '.join(quoted(word) for word in words)}")
        more = ["--quiet"] if self._quiet or quiet else []
        module = import_module(f"radfield_core.cli.{verb}")
        args = parse(verb, module, [*words, *(more if verb != "export" else [])])
        assert args is not None
        code: int = module.run(args)
        return code

    def interrupted(self, args: Namespace) -> None:
        """Say how to go on."""
        if not self._quiet:
            say(f"the same command continues: radfield mesh {quoted(args.source)} --out {quoted(args.out)}")


def _as_run(source: Path) -> Path | None:
    """Return the folder of the run that the input names, or None if it is no run."""
    from radfield_core.runs.folder import find_run

    if not (source / "checkpoints").is_dir() and source.parent.name != "checkpoints":
        return None
    find_run(source)
    return source


def _train(args: Namespace, source: Path, work: Path, stages: _Stages) -> tuple[int, Path]:
    """Solve cameras if the input has none, and train or resume. Return the exit code and the run's folder."""
    from radfield_core.cli.mesh_plan import plan_for, seconds_of
    from radfield_core.plugins.registry import get_registry

    data, choice = _with_cameras(source, work, args.overrides, stages)
    registry = get_registry()
    plan = plan_for(registry, choice, str(data), args.what, args.surface, args.quality, tuple(args.overrides))
    plan.keep(work / PLAN)
    trained = work / RUN
    if _steps_done(trained) >= plan.max_steps:
        return 0, trained
    if not args.quiet:
        say(f"surface: {plan.why}")
        if (seconds := seconds_of(registry, plan)) is not None:
            time = f"{max(1, round(seconds))} s" if seconds < 100 else f"{seconds / 60:.0f} min"
            say(f"training takes about {time} on one core")
    if (trained / "checkpoints").is_dir() and _steps_done(trained):
        return stages.call("train", "--resume", str(trained)), trained
    words = ["--method", plan.method, "--data", str(data), "--out", str(trained), *plan.overrides]
    return stages.call("train", *words, f"trainer.max_steps={plan.max_steps}"), trained


def _with_cameras(source: Path, work: Path, words: Sequence[str], stages: _Stages) -> tuple[Path, Choice]:
    """Return a data set with cameras and its format. If the input has no cameras, they are solved first.

    Raises:
        DatasetError: the input is a folder with neither a data set nor photographs.
    """
    from radfield_core.config.layers import compose_data
    from radfield_core.data.image_files import IMAGE_SUFFIXES
    from radfield_core.plugins.registry import get_registry

    words = [word for word in words if word.startswith("data.")]
    solved = work / CAMERAS
    if not solved.exists():
        try:
            return source, compose_data(get_registry(), str(source), words)[0]
        except DatasetError:  # in no known format
            photographs = any(path.suffix.lower() in (*IMAGE_SUFFIXES, ".heic") for path in source.rglob("*"))
            if not photographs and source.is_dir():
                message = "there are neither photographs nor a data set in a known format"
                raise DatasetError(message, path=str(source), hint=f"radfield data inspect {quoted(source)}") from None
        code = stages.call("data", "process", str(source), str(solved))
        if code:
            raise DatasetError("the cameras were not solved", path=str(source))
    return solved, compose_data(get_registry(), str(solved), words)[0]


def _steps_done(trained: Path) -> int:
    """Return the number of steps of the newest checkpoint, or 0."""
    from radfield_core.runs.checkpoint_names import list_steps, named_step

    found = list_steps(trained / "checkpoints")
    return (named_step(found[-1]) or 0) if found else 0


def _surface_of(trained: Path, work: Path) -> tuple[str, Sequence[str]]:
    """Return the exporter and its options: those of the plan, or those that suit a run that was given."""
    import json

    from radfield_core.cli.mesh_plan import TEXELS
    from radfield_core.config.fit import check_part
    from radfield_core.config.layers import compose_part
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_run import stored_run

    file = work / PLAN
    if file.is_file():
        plan = json.loads(file.read_text())
        return plan["exporter"], plan["options"]
    options = [f"texture_size={TEXELS['good']}", "texture=photos"]
    try:
        check_part(
            compose_part(get_registry(), "exporter", "mesh", options), stored_run(find_run(trained)[0]), get_registry()
        )
    except UsageError:
        return "tsdf", options
    return "mesh", options


def _names_of_views(trained: Path) -> tuple[set[str], set[str]]:
    """Return the names of the training views and of the test views of a run."""
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.known_data import KnownData

    views = KnownData.read(find_run(trained)[0]).views
    train, test = (
        {views[split].name(i) for i in range(len(views[split].cameras))} if split in views else set()
        for split in ("train", "test")
    )
    return train, test


def _is_newer(out: Path, trained: Path) -> bool:
    """Return True if the mesh was written after the newest checkpoint of the run."""
    from radfield_core.runs.checkpoint_names import list_steps

    found = list_steps(trained / "checkpoints")
    return bool(found) and out.is_file() and out.stat().st_mtime > found[-1].stat().st_mtime
