"""Arguments that several verbs share. A verb is the first word after `radfield`, such as "train"."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from radfield_core.cli.say import say
from radfield_core.errors import RadfieldError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from radfield_core.config.layers import Composed
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.runs.folder import RunFolder
    from radfield_core.train.session import Outcome

DEVICE_HELP = 'device to run on: "auto", "cpu", "cuda" or "cuda:N" (default: the device that the run was trained on)'


def add_run_arguments(parser: ArgumentParser) -> None:
    """Add --quiet and the arguments that define a run: --method, --data, --config and key=value."""
    parser.add_argument(
        "--method", metavar="NAME", help="name of a method or of a method's preset; leave it out to see all names"
    )
    parser.add_argument("--data", metavar="PATH", help="path of the data set; its format is recognized from its files")
    parser.add_argument("-c", "--config", metavar="FILE", help="a TOML file that sets options of the run")
    add_quiet(parser)
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="set an option, such as trainer.max_steps=2000 or field.encoding=hash; this overrides the file",
    )


def add_quiet(parser: ArgumentParser) -> None:
    """Add the option --quiet."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and results")


def add_trained_run(parser: ArgumentParser) -> None:
    """Add the arguments that name a trained run: RUN, --data and --device."""
    parser.add_argument("path", metavar="RUN", help="a run folder or one of its checkpoints")
    parser.add_argument(
        "--data", metavar="PATH", help="present path of the run's data, if they were moved (default: the stored path)"
    )
    parser.add_argument("--device", help=DEVICE_HELP)


def check_part_of_run(choice: Choice, args: Namespace) -> None:
    """Raise UsageError if a part, such as an exporter, needs what the run's parts do not provide. No torch is imported.

    `args` are the arguments of `add_trained_run`, which `check_run` has accepted.
    """
    from pathlib import Path

    from radfield_core.config.fit import check_part
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_run import stored_run

    folder, _ = find_run(Path(args.path))
    check_part(choice, stored_run(folder, place_of_data(args)), get_registry())


def check_run(args: Namespace, *, needs_images: bool = False) -> RunFolder:
    """Return the folder of the run that the arguments of `add_trained_run` name.

    This takes milliseconds. Call it before torch is imported, which takes a second.

    Args:
        args: the arguments.
        needs_images: True if the verb reads the images of the run's data. Other verbs need only the cameras, which the
            run has stored.

    Raises:
        UsageError: there is no run at this path.
        DatasetError: there are no data at the path that --data names, or the verb needs data that were moved.
    """
    from pathlib import Path

    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_run import check_data, stored_run

    folder = find_run(Path(args.path))[0]
    if args.data is not None or needs_images:
        run = stored_run(folder, place_of_data(args))
        check_data(run, folder, command(args))
    return folder


def place_of_data(args: Namespace) -> Path | None:
    """Return the path that --data names, or None."""
    from pathlib import Path

    return Path(args.data) if args.data is not None else None


def command(args: Namespace) -> str:
    """Return the command that the user typed."""
    from radfield_core.names import quoted

    program, *words = args.command
    return " ".join([program, *map(quoted, words)])


def require_positive(args: Namespace, *names: str) -> None:
    """Raise UsageError if one of the named options is set to a number that is not greater than zero."""
    for name in names:
        value = getattr(args, name, None)
        if value is not None and not value > 0:
            raise UsageError(f"{value:g} is not above 0", path=f"--{name}", hint=f"--{name} 1")


def compose_from(args: Namespace, *, needs_data: bool = True) -> Composed:
    """Compose the run that the arguments of `add_run_arguments` define, and check that the run's parts fit together.

    Automatic choices, such as the format of the data, are printed to stderr, unless the user gives --quiet.

    Raises:
        UsageError, PluginError, DatasetError: the arguments have mistakes. The error reports all mistakes at once.
    """
    import sys

    from radfield_core.config.fit import check
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    try:
        composed = compose(
            registry,
            method=args.method,
            data=args.data,
            file=args.config,
            overrides=args.overrides,
            needs_data=needs_data,
        )
    except RadfieldError as error:
        raise _with_command(error, args) from None
    check(composed.run, registry)
    if not args.quiet:
        for remark in composed.remarks:
            say(remark, file=sys.stderr)
    return composed


def _with_command(error: RadfieldError, args: Namespace) -> RadfieldError:
    """Return the same error. If it is about an unknown method, its hint becomes the complete corrected command."""
    from radfield_core.cli.meant import with_command

    prog, *argv = args.command
    return with_command(error, prog, argv, args.method)


def print_next_commands(outcome: Outcome, run: RunConfig) -> None:
    """Print the commands that users type after a training: to evaluate, render and export the run, or to train on."""
    from radfield_core.cli.say import say
    from radfield_core.names import quoted

    folder = quoted(outcome.folder)
    commands = {
        f"radfield eval {folder}": "metrics of every test view",
        f"radfield render {folder}": "pictures, and a video of an object",
        f"radfield export {folder}": "a mesh of the surface",
        f"radfield train --resume {folder} trainer.max_steps={2 * outcome.step}": "train longer",
    }
    if not _has_surface(run):
        del commands[f"radfield export {folder}"]
    width = max(map(len, commands))
    say("next:", *(f"  {command:<{width}}  # {what}" for command, what in commands.items()))


def _has_surface(run: RunConfig) -> bool:
    """Return True if an installed exporter of meshes can export the run."""
    from radfield_core.config.fit import check_part
    from radfield_core.config.layers import compose_part
    from radfield_core.plugins.registry import get_registry

    try:
        check_part(compose_part(get_registry(), "exporter", "mesh"), run, get_registry())
    except RadfieldError:
        return False
    return True


def print_resume_command(outcome: Outcome) -> None:
    """Print the command that resumes a run after a signal has ended it."""
    from radfield_core.names import quoted

    command = f"radfield train --resume {quoted(outcome.folder)}"
    say(f"{outcome.reason}: saved after step {outcome.step}; to resume: {command}")
