"""The generated reference shows every promised name, its evaluated types, and its docstring as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import attrs
import pytest
from reference import DOORS, OPS, described, module_page, page
from signatures import markdown, signature

if TYPE_CHECKING:
    from radfield_core import Scene


@attrs.frozen
class Sizes:
    """Some sizes."""

    width: int = 3
    names: list[str] = attrs.field(factory=list)


class Box(Sizes):
    """A box."""

    @property
    def volume(self) -> float:
        """Cubic units."""
        return 1.0

    @staticmethod
    def of(scene: Scene | None, *, sides: Sequence[float] = ()) -> Box:
        """The box of a scene."""
        return Box()


def area(
    width: float, height: float | None = None, *, unit: str = "m", rounded: bool = False, digits: int = 3
) -> float:
    """The area of a rectangle.

    It may be a square.

    Args:
        width: one side, in units;
            the longer one.
        height: the other side.

    Returns:
        Square units.

    Raises:
        ValueError: a side is negative.

    Example:
        >>> area(2.0)
        4.0
        >>> area(2.0, 3.0)
        6.0
    """
    return width * (width if height is None else height)


def test_a_docstring_in_google_style_becomes_lists_and_code() -> None:
    lines = [line for line in markdown(area.__doc__).splitlines() if line]
    assert lines == [
        "The area of a rectangle.", "It may be a square.", "**Arguments**",
        "* `width`: one side, in units;", "  the longer one.", "* `height`: the other side.",
        "**Returns**", "Square units.", "**Raises**", "* `ValueError`: a side is negative.", "**Example**",
        "```pycon", ">>> area(2.0)", "4.0", ">>> area(2.0, 3.0)", "6.0", "```",
    ]  # fmt: skip


def test_a_long_signature_has_a_line_for_each_parameter() -> None:
    assert signature("area", area) == (
        "area(\n    width: float,\n    height: float | None = None,\n    *,\n    unit: str = 'm',\n"
        "    rounded: bool = False,\n    digits: int = 3,\n) -> float"
    )


def test_names_imported_for_type_checkers_only_are_evaluated() -> None:
    text = "\n".join(described("Box", Box))
    assert "Box.of(scene: Scene | None, *, sides: Sequence[float] = ()) -> Box" in text
    assert "volume: float" in text and "names: list[str] = list()" in text and "width: int = 3" in text


@pytest.mark.parametrize("door", DOORS)
def test_every_name_behind_a_door_has_an_entry(door: str) -> None:
    text = page(door)
    assert sorted(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == sorted(dir(import_module(door)))
    declared = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert not re.search(r": '|-> '", declared), "an annotation was not evaluated"


@pytest.mark.parametrize("module", OPS)
def test_every_op_is_shown_with_its_formula_and_an_example(module: str) -> None:
    text = module_page(module)
    for entry in text.split("\n### ")[1:]:
        assert "```pycon\n>>> " in entry, entry.partition("\n")[0]
