"""Facts about installed plugins: as a dictionary for other programs, and the metadata of their distributions."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from radfield_core import API_VERSION
from radfield_core.errors import PluginError
from radfield_core.plugin import Component
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry


def described(registry: Registry) -> dict[str, Any]:
    """Return all plugins and their parts, with capabilities and options, as values that JSON can hold.

    The options of a part are imported for this, but not its code.
    """
    return {
        "api": {"version": _dotted(API_VERSION), "accepts": f"{API_VERSION[0]}.0 to {_dotted(API_VERSION)}"},
        "plugins": [_plugin(plugin) for plugin in registry.plugins],
    }


def _plugin(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "declaration": plugin.module,
        "status": plugin.status,
        "message": plugin.message,
        **about(plugin.distribution),
        "parts": [_part(component) for component in plugin.components],
    }


def _part(component: Component) -> dict[str, Any]:
    from radfield_core.config.reference import option_rows
    from radfield_core.config.structure import options_of

    facts: dict[str, Any] = {
        "kind": component.kind,
        "name": component.name,
        "summary": component.summary,
        "code": component.impl,
        "provides": sorted(component.provides),
        "requires": {slot: sorted(words) for slot, words in sorted(component.requires.items())},
        "presets": sorted(component.preset),
        "aliases": dict(component.aliases),
        **({"slots": list(component.slots)} if component.kind == "method" else {}),
    }
    if component.writes is not None:
        facts["writes"] = {
            "what": "folder" if component.writes.is_folder else "file",
            "endings": list(component.writes.endings),
            "coordinates": list(component.writes.coordinates),
        }
    try:
        rows = [row._asdict() for row in option_rows(options_of(component))]
    except PluginError as error:  # its options cannot be imported; the other facts are still worth having
        return {**facts, "options": None, "message": error.problems[0].message}
    return {**facts, "options": rows}


def about(distribution: str) -> dict[str, str]:
    """Return the author, the license and the home page of a distribution, as far as its metadata state them.

    Example:
        >>> about("radfield-core")["license"]
        'Apache-2.0'
    """
    try:
        found = metadata.metadata(distribution).json
    except metadata.PackageNotFoundError:
        return {}
    urls = dict(str(line).partition(", ")[::2] for line in found.get("project_url", ()))
    facts = {
        "author": found.get("author") or found.get("author_email"),
        "license": found.get("license_expression") or found.get("license"),
        "home": next((url for name, url in urls.items() if name.lower().replace("-", "") == "homepage"), None)
        or found.get("home_page"),
    }
    return {name: str(value).splitlines()[0] for name, value in facts.items() if value}


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
