"""`radfield train`: from a method and a data set, or a run to go on with, to a trained run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_run_arguments, compose_from, print_resume_command
from radfield_core.errors import UsageError

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.runs.folder import RunFolder

HELP = "Train a method on a scene. What is written after --resume is laid over the run's stored options."


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    add_run_arguments(parser)
    parser.add_argument("--out", metavar="DIR", help="the run's folder; by default outputs/<scene>/<method>/<time>")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run folder, or from one of its checkpoints")
    parser.add_argument(
        "--allow-config-change", action="store_true", help="resume although options or plugin versions differ"
    )
    parser.add_argument(
        "--skip-bad-images", action="store_true",
        help="leave out images that cannot be read, if they are at most 5 %% of all: scene.skip_bad_images=true",
    )  # fmt: skip


def run(args: Namespace) -> int:
    """Train; the exit code is 0, or 130 or 143 after a signal."""
    from radfield_core.runtime.threads import set_policy

    threads = set_policy()
    if args.skip_bad_images:
        args.overrides = ["scene.skip_bad_images=true", *args.overrides]
    if args.resume is None:
        config, folder, checkpoint = compose_from(args).run, None, None
    else:
        config, folder, checkpoint = _resumed(args)
    from radfield_core.train.session import train_run

    out = Path(args.out) if args.out else None
    outcome = train_run(config, out=out, resume=folder, checkpoint=checkpoint, quiet=args.quiet, threads=threads)
    if outcome.exit_code:
        print_resume_command(outcome)
    return outcome.exit_code


def _resumed(args: Namespace) -> tuple[RunConfig, RunFolder, Path | None]:
    """The stored options of a run with those of the command line over them. Raises UsageError if that changes any, or
    if plugins have other versions than the run was stored with, unless that is allowed."""
    from radfield_core.config.files import dump
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.record import changes, plugin_versions

    if args.out is not None or args.config is not None:
        raise UsageError("--resume goes on in the run's own folder with its own options", hint="leave out --out and -c")
    folder, checkpoint = find_run(Path(args.resume))
    args.config = str(folder.config)
    config = compose_from(args).run
    stored = folder.config.read_text(encoding="utf-8")
    differences = changes(stored, dump(config), folder.stored_plugins(), plugin_versions(config))
    if differences:
        listed = "\n".join(f"  {line}" for line in differences)
        if not args.allow_config_change:
            raise UsageError(
                f"options or plugins are not those that the run was stored with:\n{listed}", path=str(folder.path),
                hint="--allow-config-change, if that is meant",
            )  # fmt: skip
        print(f"going on with changes:\n{listed}")
    return config, folder, checkpoint
