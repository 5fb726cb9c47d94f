"""`radfield eval`: computes the image metrics of a split, or another metric, such as a distance to a reference
surface."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_trained_run, check_part_of_run, check_run, place_of_data
from radfield_core.cli.eval_files import add_files, check_files, files_written
from radfield_core.cli.say import say
from radfield_core.names import plural, quoted

if TYPE_CHECKING:
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.render.evaluation import ViewResult
    from radfield_core.render.lpips import Lpips
    from radfield_core.runs.trained import Trained

HELP = """Render every view of a split, compare it with its image, and write the metrics to the run folder. The file is
results.json for the test split and results-SPLIT.json for another split. Results of older checkpoints go to results/.
With --metric, compute another metric instead,
such as the distance of the run's surface from a reference surface."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_trained_run(parser)
    parser.add_argument("--split", default="test", help="the split to evaluate (default: test)")
    _add_image_metrics(parser)
    add_files(parser)
    parser.add_argument(
        "--metric",
        metavar="NAME",
        help='the metric to compute instead of image metrics, such as "chamfer" or "point-to-mesh"',
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        default="auto",
        help="file with the mesh or points to compare with, for --metric (default: the true surface in the data set)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the results")
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="set an option of the metric; `radfield eval --metric NAME --help` lists them",
    )


def _add_image_metrics(parser: ArgumentParser) -> None:
    """Add the arguments that say how rendered images are compared with true ones."""
    parser.add_argument(
        "--fit-color",
        choices=("none", "half"),
        help="fit the run's color map to the left half of each image and measure the right half, or do not (default: "
        "the run's option eval.fit_color)",
    )
    parser.add_argument(
        "--fit-cameras",
        choices=("none", "half"),
        default="none",
        help="fit the camera of each view to the left half of its image and measure the right half, for runs that "
        "learned poses (default: none)",
    )
    parser.add_argument(
        "--also",
        choices=("ms_ssim", "flip", "lpips"),
        action="append",
        default=[],
        help="an image metric to compute beside PSNR and SSIM; it can be given several times",
    )
    parser.add_argument(
        "--lpips-weights",
        metavar="FILE",
        help="safetensors file with the weights of the network for LPIPS, AlexNet or VGG-16, which radfield does not "
        "contain; it adds --also lpips",
    )


def more_help(argv: Sequence[str]) -> str:
    """Return text that lists the options of the metric that a command names. If it names none, list the metrics."""
    from radfield_core.cli.options_help import chosen_name, names_of, options_of_part

    name = chosen_name(argv, "--metric", "")
    return options_of_part("metric", name) if name else f"{names_of('metric')}; add --metric NAME to see the options"


def run(args: Namespace) -> int:
    """Evaluate and return exit code 0."""
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder
    from radfield_core.plugins.registry import get_registry

    mistakes, metric = Mistakes(), None
    with mistakes.collect():
        check_folder(check_run(args, needs_images=True).path)
    _check_together(args, mistakes)
    with mistakes.collect():
        metric = compose_part(get_registry(), "metric", args.metric, args.overrides) if args.metric else None
    check_files(args, mistakes)
    for file in (args.lpips_weights, None if args.reference == "auto" else args.reference):
        if file is not None and not Path(file).exists():
            mistakes.add(file, "there is no such file", f"ls {quoted(Path(file).parent)}")
    mistakes.finish()
    if metric is not None:
        check_part_of_run(metric, args)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.reports import measure, value_lines
    from radfield_core.runs.stored_results import store
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device, place_of_data(args))
    if metric is None:
        lpips = _lpips(args)
        with files_written(args, trained) as look:
            print_evaluation(
                trained, args.split, fit_color=args.fit_color, fit_cameras=args.fit_cameras, also=args.also,
                lpips=lpips, look=look, quiet=args.quiet,
            )  # fmt: skip
        return 0
    found = measure(trained, metric, args.split, None if args.reference == "auto" else Path(args.reference))
    values = {name: value for name, value in found.items() if name not in ("metric", "step", "reference")}
    say(*value_lines(values))
    say(store(trained.folder, found["metric"], found))
    return 0


def _check_together(args: Namespace, mistakes: Mistakes) -> None:
    """Add a mistake for arguments that exclude each other."""
    if args.metric is None and (args.overrides or args.reference != "auto"):
        mistakes.add("", "--reference and key=value can be used only with --metric", "Add --metric chamfer")
    if args.metric is not None and (args.also or args.lpips_weights or args.fit_cameras != "none"):
        message = "--also, --lpips-weights and --fit-cameras belong to image metrics, which --metric replaces"
        mistakes.add("", message, "Leave out --metric, or the others")


def _lpips(args: Namespace) -> Lpips | None:
    """Return LPIPS with the weights that the user names, and print their checksum. Without weights, return None."""
    if args.lpips_weights is None:
        return None
    from radfield_core.render.lpips import read_lpips

    found = read_lpips(Path(args.lpips_weights))
    say(f"{found.network.name} with weights of SHA-256 {found.checksum}")
    return found


def print_evaluation(
    trained: Trained,
    split: str,
    *,
    quiet: bool,
    fit_color: str | None = None,
    fit_cameras: str = "none",
    also: Sequence[str] = (),
    lpips: Lpips | None = None,
    look: Callable[[ViewResult], None] | None = None,
) -> None:
    """Evaluate a split, print its metrics, and write them to a file. `look` gets each view with its pictures.

    The metrics are printed before the file is written, so that the user sees them even if the disk is full.
    """
    from radfield_core.render import camera_fit
    from radfield_core.render.color_fit import IN_WORDS
    from radfield_core.render.image_metrics import format_metrics
    from radfield_core.runs.reports import camera_lines, evaluate_split, group_table, results_name
    from radfield_core.runs.stored_results import store

    more = [name for name in dict.fromkeys(also) if name != "lpips"]
    results = evaluate_split(
        trained, split, fit_color=fit_color, fit_cameras=fit_cameras, also=more, lpips=lpips, look=look, quiet=quiet
    )
    for line in (*camera_lines(results), *group_table(results.get("groups", {}), results["metrics"])):
        say(line)
    views = plural(len(results["per_image"]), "view")
    fitted = [IN_WORDS[results.get("fit_color", "none")], camera_fit.IN_WORDS if "fit_cameras" in results else ""]
    what = ", ".join(filter(None, (split, views, f"step {trained.step}", *fitted)))
    missing = " · LPIPS n/a (no --lpips-weights)" if "lpips" in also and lpips is None else ""
    say(f"{what}: {format_metrics(results['metrics'])}{missing}")
    say(store(trained.folder, results_name(split), results))
