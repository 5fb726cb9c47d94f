"""Pages for plugin authors made from the code before each build: capabilities, hooks, laws and mixes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pages import table, write
from signatures import markdown, signature

from radfield_core.plugin import KINDS
from radfield_core.plugins import hookspecs
from radfield_core.plugins.registry import get_registry
from radfield_core.plugins.vocabulary import VOCABULARY
from radfield_core.testing import laws as _laws  # noqa: F401  registers them
from radfield_core.testing.law import LAWS
from radfield_core.testing.mixing import Mix, Refused, compose_mix, method_mixes, mixes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

METHOD = "ngp"
"""The method under which encodings, fields, samplers and renderers are mixed: its preset sets none of their options."""


def capabilities() -> str:
    """Every word, what it means, and which installed parts provide and need it."""
    pages = [
        "# Capabilities\n",
        "A declaration lists what a part provides and what it requires of the parts in its slots, as words. Core "
        "compares them before anything is built and names every mismatch. The list of words is closed, so that a "
        "misspelled word is found; a word of your own contains a dot (`acme.fisheye`), and you define its meaning.\n",
        '```python\ncomponent(\n    ..., provides={"density", "rgb"},\n'
        '    requires={"encoding": {"points|gaussians"}},   # either of the two, of the part in its slot `encoding`\n'
        '    capabilities="acme_fourier.config:capabilities",  # options -> (provides, requires) to add; no torch\n'
        ")\n```\n",
    ]
    components = get_registry().components
    for kind, words in VOCABULARY.items():
        if not words:
            continue
        rows = []
        for word, meaning in words.items():
            givers = [c.name for c in components if c.kind == kind and word in c.provides]
            takers = [c.key for c in components if any(word in n.split("|") for ns in c.requires.values() for n in ns)]
            rows.append((f"`{word}`", meaning, ", ".join(givers), ", ".join(takers)))
        pages += [f"## Of {kind}s\n", table(("word", "meaning", "declared by", "needed by"), rows)]
    return "\n".join(pages)


def hooks() -> str:
    """Every hook with its signature and its text."""
    pages = [f"# Hooks\n\n{inspect.getdoc(hookspecs)}\n", "Mark an implementation with `@hookimpl`.\n"]
    for name, function in vars(hookspecs).items():
        if name.startswith("radfield_"):
            pages += [
                f"## {name}\n",
                f"```python\n{signature(name, function)}\n```\n",
                f"{markdown(function.__doc__)}\n",
            ]
    return "\n".join(pages)


def laws() -> str:
    """Every law of the conformance kit, by kind."""
    pages = [
        "# Laws\n",
        'A law is a property that every part of a kind must have. `conformance("kind:name")` and `radfield plugins '
        "check` test a part against every law of its kind. A test may waive a law with a reason, "
        '`waive={"law": "why"}`; it fails if the part keeps the law after all.\n',
    ]
    for kind in KINDS:
        rows = [(f"`{law.name}`", law.statement, law.fix) for law in LAWS if kind in law.kinds]
        pages += [f"## {kind.capitalize()}\n", table(("law", "statement", "fix"), rows)]
    return "\n".join(pages)


def mixing() -> str:
    """Every mix of installed parts: whether it fits, or why it is refused."""
    registry = get_registry()
    pages = [
        "# What mixes with what\n",
        "Made from what the parts declare, with default options. Every mix that fits is trained for three steps in our "
        "tests; every other is refused in these words before anything is built.\n",
    ]
    for title, key, found in (
        (f"Encoding, field, sampler, renderer (method {METHOD})", "encoding", mixes(registry, METHOD)),
        ("Method, field, sampler, renderer (each field with its own encodings)", "method", method_mixes(registry)),
    ):
        rows, count = [], {True: 0, False: 0}

        def group(mix: Mix, key: str = key) -> tuple[str, str, str]:
            return mix.field, getattr(mix, key), mix.renderer

        for (field, first, renderer), members in groupby(sorted(found, key=group), key=group):
            fits, refused = [], {}
            for mix in members:
                verdict = compose_mix(registry, mix)
                count[not isinstance(verdict, Refused)] += 1
                if isinstance(verdict, Refused):
                    refused.setdefault(verdict.reason, []).append(mix.sampler)
                else:
                    fits.append(mix.sampler)
            why = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in refused.items())
            rows.append((field, first, renderer, ", ".join(fits) or "none", why))
        pages += [f"## {title}\n", f"{count[True]} fit, {count[False]} are refused.\n"]
        pages.append(table(("field", key, "renderer", "samplers that fit", "refused"), rows))
    return "\n".join(pages)


PAGES: dict[str, Callable[[], str]] = {
    "capabilities": capabilities, "hooks": hooks, "laws": laws, "mixing": mixing,
}  # fmt: skip


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "authors", PAGES))
    return {"parallel_read_safe": True}
