"""`radfield train`: trains a method on a scene, or resumes a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.advice import method_is_missing, which_method
from radfield_core.cli.common import add_run_arguments, command, compose_from, print_next_commands, print_resume_command
from radfield_core.cli.report import add_no_report, write_after_training
from radfield_core.cli.show import add_show, picture_shower
from radfield_core.errors import UsageError
from radfield_core.names import Lines

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.runs.folder import RunFolder

HELP = """Train a method on a scene. With --resume, continue a run from its newest checkpoint, with the options that are
stored in its folder. Options on the command line take precedence over the stored ones."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_run_arguments(parser)
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: outputs/<scene>/<method>/<time>)")
    parser.add_argument("--resume", metavar="RUN", help="the run to resume: its folder or one of its checkpoints")
    parser.add_argument(
        "--init-from",
        metavar="RUN|FILE",
        help="a trained run, or one of its checkpoints, whose weights a new run starts with; for method splat also a "
        ".ply, .splat or .spz file of Gaussians",
    )
    add_show(parser)
    parser.add_argument(
        "--allow-config-change",
        action="store_true",
        help="resume a run even if its data, its plugin versions or options that affect the training have changed",
    )
    parser.add_argument(
        "--skip-bad-images",
        action="store_true",
        help="leave out images that cannot be read, at most scene.max_bad_share of all (5 %%); the same as "
        "scene.skip_bad_images=true",
    )
    add_no_report(parser)


def run(args: Namespace) -> int:
    """Train and return exit code 0. If a signal ends the training, return the exit code for this signal."""
    if args.skip_bad_images:
        args.overrides = ["scene.skip_bad_images=true", *args.overrides]
    if args.resume is None and method_is_missing(args):
        raise which_method(args)
    if args.init_from is not None and args.resume is None:
        from radfield_core.runs.folder import find_run, is_other_file

        if not is_other_file(Path(args.init_from)):
            find_run(Path(args.init_from))  # a path that is no run is reported before torch is imported
    if args.resume is None:
        config, folder, checkpoint = compose_from(args).run, None, None
    else:
        config, folder, checkpoint = _resumed(args)
    from radfield_core.runtime.threads import set_policy

    threads, show = set_policy(), picture_shower() if args.show else None
    from radfield_core.train.session import train_run

    out = Path(args.out) if args.out else None
    outcome = train_run(
        config,
        out=out,
        resume=folder,
        checkpoint=checkpoint,
        quiet=args.quiet,
        threads=threads,
        allow_other_data=args.allow_config_change,
        init_from=None if args.init_from is None else Path(args.init_from),
        show=show,
    )
    if outcome.exit_code:
        print_resume_command(outcome)
        return outcome.exit_code
    if not args.no_report:
        write_after_training(outcome, config, quiet=args.quiet)
    if not args.quiet:
        print_next_commands(outcome, config)
    return outcome.exit_code


def _resumed(args: Namespace) -> tuple[RunConfig, RunFolder, Path | None]:
    """Return the options and the folder of the run to resume.

    If --resume names a checkpoint, also return its path, otherwise None.

    Raises:
        UsageError: options or plugin versions differ from the stored ones, and --allow-config-change is not given.
    """
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.record import changes, plugin_versions
    from radfield_core.runs.stored_run import check_data, moved_data, unavailable_plugins_named

    if args.init_from is not None:
        message = "a resumed run has weights already"
        raise UsageError(message, path="--init-from", hint="Leave out --resume to start a new run from these weights")
    if args.out is not None or args.config is not None:
        raise UsageError(
            "a run is resumed in its own folder and with its own options",
            path="--resume",
            hint="Leave out --out and --config",
        )
    folder, checkpoint = find_run(Path(args.resume))
    args.config = str(folder.config)
    args.data = args.data or moved_data(folder)
    with unavailable_plugins_named(folder):
        config = compose_from(args).run
    check_data(config, folder, command(args))
    stored = compose(get_registry(), file=folder.config).run
    found = changes(stored, config, folder.stored_plugins(), plugin_versions(config))
    if found.other and not args.allow_config_change:
        listed = [f"  {line}" for line in found.other]
        raise UsageError(
            Lines.of("options or plugin versions differ from those stored in the run folder:", *listed),
            path=str(folder.path),
            hint="Add --allow-config-change to resume with these changes",
        )
    schedules = [f"schedules, such as that of the learning rate, now end at step {config.trainer.max_steps}"]
    longer = config.trainer.max_steps != stored.trainer.max_steps
    for line in (*found.other, *(() if args.quiet else found.continuing), *(schedules if longer else ())):
        print(f"changed: {line}")
    return config, folder, checkpoint
