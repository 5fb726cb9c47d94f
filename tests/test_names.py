"""Names: nearest spelling, quoting for a shell, plurals, names of distributions, and lazy imports."""

from __future__ import annotations

import shlex
import subprocess
import sys
from types import ModuleType

import pytest
from hypothesis import given, strategies as st

from radfield_core.names import Lines, lazy, natural_key, nearest, normalize_distribution, plural, printable, quoted


@pytest.mark.parametrize(
    ("word", "expected"),
    [("frequancy", "frequency"), ("hsah", "hash"), ("Frequency", "frequency"), ("zzz", ""), ("", ""), ("ipe", "ipe")],
)
def test_a_misspelled_word_has_its_nearest_and_another_word_has_none(word: str, expected: str) -> None:
    assert nearest(word, ["hash", "ipe", "frequency", "sh"]) == expected


def test_the_nearest_word_does_not_depend_on_the_order_of_the_words() -> None:
    words = ["field.width", "field.depth", "field.widths"]
    assert {nearest("field.widh", order) for order in (words, words[::-1], set(words))} == {"field.width"}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_shell_reads_a_quoted_path_as_the_one_path(path: str) -> None:
    assert shlex.split(quoted(path)) == [path]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_names_with_numbers_are_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    names = [f"IMG_{number}.jpg" for number in numbers]
    assert sorted(names, key=natural_key) == [f"IMG_{number}.jpg" for number in sorted(numbers)]


def test_names_of_any_length_have_a_key_and_different_names_have_different_keys() -> None:
    assert natural_key("9" * 10_000) > natural_key("8" * 10_000)
    assert len({natural_key(name) for name in ("1.jpg", "01.jpg", "1.jpg1", "", "a", "a0", "a00")}) == 7


def test_a_number_agrees_with_its_noun() -> None:
    assert [plural(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert [plural(n, "entry", "entries") for n in (1, 30)] == ["1 entry", "30 entries"]


@pytest.mark.parametrize(
    ("name", "normalized"),
    [("radfield-hash", "radfield-hash"), ("Radfield_Hash", "radfield-hash"), ("a.b__c--d", "a-b-c-d"), ("-x-", "x")],
)
def test_a_distribution_has_one_name_however_it_is_written(name: str, normalized: str) -> None:
    """PEP 503: runs of hyphens, underscores and dots are one hyphen, and case does not count."""
    assert normalize_distribution(name) == normalized


def test_a_lazy_name_is_imported_at_its_first_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find, names = lazy("lazy_package", {"one": "First", "two.inner": "Second third"})
    assert names() == ["First", "Second", "third"]
    with pytest.raises(ModuleNotFoundError):
        find("First")
    module = ModuleType("lazy_package.one")
    module.First = 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lazy_package", ModuleType("lazy_package"))
    monkeypatch.setitem(sys.modules, "lazy_package.one", module)
    assert find("First") == 1
    with pytest.raises(AttributeError, match="'lazy_package' has no attribute 'Third'"):
        find("Third")


def test_the_package_imports_no_torch_and_every_public_name_is_found() -> None:
    script = (
        "import sys, radfield_core\n"
        "assert not {'torch', 'numpy', 'attrs', 'cattrs'} & set(sys.modules)\n"
        "assert len(dir(radfield_core)) > 40\n"
        "for name in dir(radfield_core):\n"
        "    getattr(radfield_core, name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "text", ["a\x1b[31mb", "a\nerror: b", "a\rb", "a\u202eb", "a\u2028b", "a\x9bb", "a\x00b", "a\udcffb"]
)
def test_nothing_that_moves_the_text_around_it_is_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("b")
    assert printable(shown) == shown


def test_lines_stay_apart_and_what_is_in_them_does_not_break() -> None:
    lines = Lines.of("one\ntwo", "three")
    assert printable(lines) == lines == "one\\ntwo\nthree"
    assert printable(f"{lines}") == "one\\ntwo\\nthree", "text made of lines is a line again"
