"""HTML in which no text can become markup: everything is escaped that was not made by the functions below."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from radfield_core import printable

MAX_TEXT = 2000
"""Characters of a text that are shown. A longer one is cut off."""

VOID = frozenset({"br", "img", "input"})
SHAPES = frozenset({"line", "polyline", "circle"})
"""Elements without content: those of HTML, and those of SVG, which need a slash at the end."""


class Html(str):
    """Text that is HTML already. Only `tag`, `join` and templates of this package make it."""


def escaped(value: object) -> Html:
    """Return a value as HTML. Any text that is not `Html` is escaped, and shortened if it is very long.

    Example:
        >>> escaped('<img onerror="a">')
        '&lt;img onerror=&quot;a&quot;&gt;'
        >>> escaped(Html("<b>1</b>"))
        '<b>1</b>'
    """
    if isinstance(value, Html):
        return value
    text = printable(str(value))
    return Html(html.escape(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…", quote=True))


def join(parts: Iterable[object]) -> Html:
    """Return parts one after another as HTML. Parts that are None are left out."""
    return Html("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element.

    Example:
        >>> tag("p", "a < b", tag("br"), class_="note", hidden=True, id=None)
        '<p class="note" hidden>a &lt; b<br></p>'

    Args:
        name: name of the element.
        children: its content. Text is escaped.
        attributes: attribute -> value. An underscore at the end of a name is dropped, and others become hyphens. An
            attribute whose value is None or False is left out; one whose value is True has no value.
    """
    words = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(attribute)
        elif value is not None and value is not False:
            uri = isinstance(value, str) and value.startswith("data:") and attribute in ("src", "href")
            words.append(f'{attribute}="{html.escape(str(value), quote=True) if uri else escaped(value)}"')
    if name in SHAPES:
        return Html(f"<{' '.join(words)}/>")
    opened = f"<{' '.join(words)}>"
    return Html(opened) if name in VOID else Html(f"{opened}{join(children)}</{name}>")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], **attributes: object) -> Html:
    """Return a table with a row of headings. The first cell of each row is a heading, too."""
    body = [
        tag("tr", *(tag("th" if i == 0 else "td", cell, scope="row" if i == 0 else None) for i, cell in enumerate(row)))
        for row in rows
    ]
    headings = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))) if head else None
    return tag("div", tag("table", headings, tag("tbody", *body), **attributes), class_="wide")


def section(title: str, *children: object, id: str) -> Html:
    """Return a section of the page with a heading, or nothing if it has no content."""
    content = join(children)
    return tag("section", tag("h2", title), content, id=id) if content else Html("")


def listed(items: Iterable[object], class_: str) -> Html | None:
    """Return a list of items, or None if there are none."""
    lines = [tag("li", item) for item in items]
    return tag("ul", *lines, class_=class_) if lines else None
