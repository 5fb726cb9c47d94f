"""`radfield view`: shows a trained run in the browser, with a part of kind observer that can."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from radfield_core.cli.common import add_trained_run, check_run, place_of_data

HELP = """Show a trained run in the browser: the model is rendered from where you look. Ctrl-C ends it. Needs a plugin
that shows runs, such as radfield-viewer."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_trained_run(parser)
    parser.add_argument("--with", dest="part", metavar="NAME", default="viewer", help="the viewer (default: viewer)")
    parser.add_argument("--port", type=int, help="port of the page; the same as port=...")
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="address that the page is served at; the same as host=... (default: 127.0.0.1, this machine only)",
    )
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="set an option of the viewer; `radfield view --help` lists them",
    )


def more_help(argv: Sequence[str]) -> str:
    """Return text that lists the options of the viewer that a command names."""
    from radfield_core.cli.options_help import chosen_name, options_of_part

    return options_of_part("observer", chosen_name(argv, "--with", "viewer"))


def run(args: Namespace) -> int:
    """Show the run until the user ends the program."""
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.plugins.registry import get_registry

    mistakes, choice = Mistakes(), None
    words = list(args.overrides)
    words += [f"{key}={value}" for key in ("port", "host") if (value := getattr(args, key)) is not None]
    with mistakes.collect():
        check_run(args)
    with mistakes.collect():
        choice = compose_part(get_registry(), "observer", args.part, words)
    mistakes.finish()
    assert choice is not None
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.live import observed
    from radfield_core.runs.trained import open_run

    observer = choice.load()(choice.config)
    observer.show(*observed(open_run(Path(args.path), args.device, place_of_data(args))))
    return 0
