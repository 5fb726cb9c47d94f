"""The whole page: a template with the style, the script and the data of the script, and what a browser may load."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from string import Template
from typing import Any

from radfield_report.markup import Html, escaped, join, tag

MAX_BYTES = 10_000_000
"""Largest size of a report."""

VIEW_BYTES = 3_800_000
"""Largest size of the pictures of all views, before base64 makes them a third larger."""


def page(title: str, subtitle: Html, sections: Iterable[Html], data: Mapping[str, Any]) -> bytes:
    """Return a page.

    A content security policy in the page allows its own style and its own script, by their hashes, and pictures inside
    the page. It forbids everything else, so that the page can request nothing, even if it contained foreign markup.

    Args:
        title: title of the page.
        subtitle: what stands below the title.
        sections: the sections. Each has an id and a heading.
        data: what the script of the page draws.
    """
    style, script = (_part(name) for name in ("page.css", "page.js"))
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            "media-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    body = [section for section in sections if section]
    links = [tag("a", _heading(section), href=f"#{_id(section)}") for section in body]
    text = Template(_part("page.html")).substitute(
        title=escaped(title),
        policy=policy,
        style=style,
        subtitle=subtitle,
        links=join(links),
        sections=join(body),
        data=_json(data),
        script=script,
    )
    return text.encode()


def small_enough(made: Callable[[float], bytes]) -> bytes:
    """Return a page of at most `MAX_BYTES`, if this is possible.

    Args:
        made: function that makes the page, given the largest size in bytes of the pictures of all views together.
    """
    for limit in (VIEW_BYTES, VIEW_BYTES / 2, VIEW_BYTES / 8, VIEW_BYTES / 100):
        content = made(limit)
        if len(content) <= MAX_BYTES:
            break
    return content


def _part(name: str) -> str:
    return files("radfield_report").joinpath("page", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(data: Mapping[str, Any]) -> str:
    """Return data as JSON that can stand inside a `script` element: no text in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _id(section: Html) -> str:
    return section.partition(' id="')[2].partition('"')[0]


def _heading(section: Html) -> Html:
    return Html(section.partition("<h2>")[2].partition("</h2>")[0])
