"""`radfield plugins`: lists, explains and checks installed plugins, and writes a new one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from radfield_core.cli.say import say
from radfield_core.plugin import MODEL_SLOTS

if TYPE_CHECKING:
    from radfield_core.plugin import Component
    from radfield_core.plugins.discovery import Plugin
    from radfield_core.plugins.registry import Registry

HELP = """List the installed plugins and their parts, explain one of them, or show why a plugin does not load. Write a
new plugin to start from, or test the parts of a plugin."""

TEMPLATES = (
    "encoding", "field", "sampler", "renderer", "rays", "color", "loss", "observer", "dataparser", "exporter", "method",
)  # fmt: skip


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="list|info|doctor|new|check", required=True)
    listing = actions.add_parser("list", help="list every plugin with its status and parts")
    listing.add_argument("--json", action="store_true", help="print all facts as JSON, with capabilities and options")
    info = actions.add_parser("info", help="explain a plugin, a distribution or a part")
    info.add_argument(
        "name", metavar="NAME", help='a plugin, a distribution, or a part such as "hash" or "encoding:hash"'
    )
    actions.add_parser(
        "doctor", help="show why plugins do not load, with tracebacks; the exit code is 1 if a plugin does not load"
    )
    new = actions.add_parser("new", help="write the files of a new plugin that already works")
    new.add_argument("name", metavar="NAME", help="name of the new distribution, such as acme-fourier")
    new.add_argument("--kind", choices=TEMPLATES, required=True, help="kind of the part that the plugin offers")
    new.add_argument("--out", metavar="DIR", help="folder to write it to (default: NAME in the current folder)")
    check = actions.add_parser(
        "check", help="test parts against the laws of their kind; the exit code is 1 if a law is broken"
    )
    check.add_argument("name", metavar="NAME", help='a distribution, or a single part such as "encoding:hash"')


def run(args: Namespace) -> int:
    """Run the chosen action. Return exit code 1 if `doctor` or `check` found a fault, and 0 otherwise."""
    from radfield_core.plugins.registry import get_registry

    if args.action == "new":
        return _new(args)
    registry = get_registry()
    if args.action == "check":
        return _check(registry, args.name)
    if args.action == "list":
        return _list_json(registry) if args.json else _list(registry)
    return _doctor(registry) if args.action == "doctor" else _info(registry, args.name)


def _new(args: Namespace) -> int:
    """Write a new plugin, and print the commands to run next."""
    from radfield_core.cli.templates import write_plugin

    folder, part = write_plugin(args.name, args.kind, args.out)
    say(f"{folder}: {part}, with its options, tests, README and CI")
    print(f"next:\n  pip install -e '{folder}[test]'\n  pytest {folder}\n  radfield plugins info {part}")
    return 0


def _list(registry: Registry) -> int:
    rows = [
        (plugin.name, f"{plugin.distribution} {plugin.version}", plugin.status, _offers(plugin))
        for plugin in registry.plugins
    ]
    _print_table([("plugin", "distribution", "status", "offers"), *rows])
    if not rows:
        print("no plugin is installed; try: pip install radfield")
    if any(plugin.status in ("error", "incompatible") for plugin in registry.plugins):
        print("\nsome plugins do not load; try: radfield plugins doctor")
    return 0


def _list_json(registry: Registry) -> int:
    import json

    from radfield_core.cli.plugin_facts import described

    print(json.dumps(described(registry), indent=2))
    return 0


def _offers(plugin: Plugin) -> str:
    """Return text that lists the parts of a plugin, followed by the message that explains the plugin's status."""
    parts = " ".join(component.key for component in plugin.components)
    return "; ".join(text for text in (parts, plugin.message) if text)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print a table. Each column is as wide as its longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


def _doctor(registry: Registry) -> int:
    from radfield_core.names import plural

    wrong = [plugin for plugin in registry.plugins if plugin.status not in ("ok", "disabled")]
    for plugin in wrong:
        print(f"{plugin.name} ({plugin.distribution} {plugin.version}, {plugin.module}): {plugin.status}")
        print(f"  {plugin.message}")
        if plugin.traceback and plugin.status == "error":
            print("".join(f"  | {line}\n" for line in plugin.traceback.splitlines()), end="")
    loaded = sum(plugin.status in ("ok", "shadowed") for plugin in registry.plugins)
    disabled = [plugin.name for plugin in registry.plugins if plugin.status == "disabled"]
    print(f"{plural(len(registry.plugins), 'plugin')}, {loaded} loaded, {len(wrong)} faulty")
    if disabled:
        print(f"disabled by RADFIELD_DISABLE_PLUGINS: {', '.join(disabled)}")
    return 1 if wrong else 0


def _check(registry: Registry, name: str) -> int:
    """For each part, print one row per law that applies to the part. Then explain the broken laws."""
    from radfield_core.names import plural
    from radfield_core.testing.kit import check_law, laws_for, part_under_test, parts_of_distribution
    from radfield_core.testing.under_test import ExampleMissing

    keys = [name] if ":" in name else parts_of_distribution(registry, name)
    _require_installed(registry, name)
    broken = []
    counts = {"kept": 0, "broken": 0, "untested": 0}
    for key in keys:
        tested = part_under_test(key, registry=registry)
        laws = laws_for(tested)
        width = max(len(law.name) for law in laws)
        print(f"{tested.component.key} ({tested.component.distribution})")
        for law in laws:
            try:
                result = check_law(tested, law)
            except ExampleMissing:
                state = "untested"
            else:
                state = str(result.state)
                broken += [result] if state == "broken" else []
            counts[state] += 1
            print(f"  {law.name:<{width}}  {state}")
    for result in broken:
        print(f"\n{result.message}")
    print(f"\n{plural(counts['kept'], 'law')} kept, {counts['broken']} broken, {counts['untested']} untested")
    if counts["untested"]:
        print("untested: the law needs data, from component(…, example=…), or options, from conformance(…, options=…)")
    return 1 if broken else 0


def _require_installed(registry: Registry, name: str) -> None:
    """Raise PluginError if `name` has the form `kind:name` and no such part is installed.

    Without this check, the test kit's toy parts would be accepted too.
    """
    from radfield_core.plugin import KINDS

    owner, _, part = name.rpartition(":")
    home, _, kind = owner.rpartition(":")
    if kind in KINDS:
        registry.find(kind, f"{home}:{part}".lstrip(":"))


def _info(registry: Registry, name: str) -> int:
    from radfield_core.cli.plugin_facts import about
    from radfield_core.names import normalize_distribution

    plugins = [p for p in registry.plugins if name == p.name or normalize_distribution(name) == p.distribution]
    parts = [c for c in registry.components if name in (c.key, c.name, f"{c.distribution}:{c.name}", *c.preset)]
    if not plugins and not parts:
        raise _unknown_name(registry, name)
    for plugin in plugins:
        print(f"plugin {plugin.name}: {plugin.status}" + (f" ({plugin.message})" if plugin.message else ""))
        print(f"  distribution  {plugin.distribution} {plugin.version}\n  declaration   {plugin.module}")
        for label, text in about(plugin.distribution).items():
            print(f"  {label:<12}  {text}")
        parts += [component for component in plugin.components if component not in parts]
    for component in parts:
        _print_component(component)
    return 0


def _print_component(component: Component) -> None:
    print(f"{component.key}: {component.summary}")
    needs = [f"{slot} with {' and '.join(sorted(words))}" for slot, words in sorted(component.requires.items())]
    lines = {
        "from": component.distribution,
        "code": component.impl,
        "provides": " ".join(sorted(component.provides)),
        "needs": "; ".join(needs),
        "writes": "" if component.writes is None else str(component.writes),
        "slots": "" if component.slots == MODEL_SLOTS else " ".join(component.slots) or "none (its own model)",
        "presets": " ".join(component.preset),
        "options": f"radfield config options {component.key}",
    }
    for label, text in lines.items():
        if text:
            print(f"  {label:<9} {text}")
    if component.preset:
        _print_presets(component)


def _print_presets(component: Component) -> None:
    """Print the data that each preset of a method fits, and its expected time."""
    from radfield_core.config.about import preset_of, table
    from radfield_core.plugins.registry import get_registry

    presets = [preset_of(get_registry(), component, name) for name in component.preset]
    for preset, line in zip(presets, table(presets), strict=False):
        print(f"    {line}\n      fits: {', '.join(preset.about.fits) or 'not stated'}")


def _unknown_name(registry: Registry, name: str) -> Exception:
    """Return the error for a name that is not the name of a plugin, a distribution or a part."""
    from radfield_core.errors import PluginError
    from radfield_core.names import nearest

    known = {text for p in registry.plugins for text in (p.name, p.distribution)}
    known |= {text for c in registry.components for text in (c.name, c.key)}
    near = nearest(name, known)
    hint = f"radfield plugins info {near}" if near else "radfield plugins list"
    return PluginError(f"no plugin, distribution or part is called {name!r}", hint=hint)
