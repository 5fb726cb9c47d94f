"""If a command such as `radfield train --data PATH` names no method, list the presets that fit the data."""

from __future__ import annotations

from argparse import Namespace

from radfield_core.errors import RadfieldError, UsageError


def method_is_missing(args: Namespace) -> bool:
    """Return True if the arguments name data but no method. Options, the file and `key=value` words can name them."""
    from radfield_core.config.layers import names_part

    given = {"file": args.config, "overrides": args.overrides}
    return not args.method and not names_part("method", **given) and bool(args.data or names_part("data", **given))


def which_method(args: Namespace) -> RadfieldError:
    """Look at the data. Return an error that lists the presets that fit it, with the command for the best as its hint.

    Raises:
        UsageError, PluginError, DatasetError: the options of the data have mistakes, or the data cannot be read.
    """
    from radfield_core.cli.meant import command_line
    from radfield_core.config.about import fitting, table
    from radfield_core.config.layers import compose
    from radfield_core.names import Lines, plural
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    names = registry.names("method")
    if not names:
        raise UsageError("no method is installed", hint="pip install radfield")
    given = {"data": args.data, "file": args.config, "overrides": args.overrides}
    run = compose(registry, method=names[0], **given).run  # any method: only the data is looked at
    from radfield_core.interfaces.dataparser import open_data_set
    from radfield_core.train.suitability import content_of, described, needed_options

    scene = open_data_set(run.data).parse("train")
    content = content_of(run.data, scene)
    presets = fitting(registry, content)
    shown = described(content, run.data, scene)
    if not presets:
        return UsageError(f"no method is chosen, and no installed preset says that it fits {shown}",
                          path="method", hint="radfield plugins list")  # fmt: skip
    best = presets[0].name
    words = needed_options(compose(registry, method=best, **given).run, scene)
    verb, *argv = args.command
    count = plural(len(presets), "preset fits", "presets fit")
    head = f"no method is chosen. The data shows {shown}; {count}:"
    message = Lines.of(head, *(f"    {line}" for line in table(presets)))
    return UsageError(message, path="method", hint=command_line(verb, ["--method", best, *argv, *words]))
