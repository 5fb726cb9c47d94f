"""Find or write the example data set on which a dataparser or converter is tested, and build its dataparser."""

from __future__ import annotations

from pathlib import Path

import attrs

from radfield_core.config.structure import options_of
from radfield_core.data.scene import Scene
from radfield_core.interfaces import DataParser
from radfield_core.plugin import load_of
from radfield_core.testing.captures import toy_capture
from radfield_core.testing.under_test import Example, ExampleMissing, PartUnderTest


def example_of(tested: PartUnderTest) -> Example:
    """Return the example data set for a part under test.

    If the test supplies an example, use that example. Otherwise, the writer of the part's format writes an example. For
    a dataparser that reads no files, return an example without files.

    Raises:
        ExampleMissing: the part reads files and has no writer, and the test supplies no example.
    """
    folder = tested.folder / "example"
    if tested.example is not None:
        folder.mkdir(exist_ok=True)
        return tested.example(folder)
    if tested.kind == "dataparser" and not has_root(tested):
        return Example(Path("."))
    if tested.component.writer is not None:
        capture = toy_capture(forward="ndc" in tested.provides, masks="masks" in tested.provides)
        return Example(write_capture(tested, folder, capture))
    raise ExampleMissing(
        f"{tested.component.key} reads files, and the argument example= is missing",
        hint="Pass conformance(…, example=make), where make(folder) writes a small data set and returns an Example, or "
        "declare it with component(…, example='module:make')",
    )


def has_root(tested: PartUnderTest) -> bool:
    """True if the part has an option `root`. Only parts that read files have this option."""
    return "root" in [attribute.name for attribute in attrs.fields(options_of(tested.component))]


def parser_of(tested: PartUnderTest, root: Path | None) -> DataParser:
    """Build the dataparser under test, with options that make it read the data set at `root`."""
    options = dict(tested.options)
    if root is not None and has_root(tested):
        options["root"] = str(root)
    choice = tested.choose(tested.component, options)
    parser: DataParser = choice.load()(choice.config)
    return parser


def write_capture(tested: PartUnderTest, folder: Path, capture: Scene) -> Path:
    """Write a scene into a new folder in the format of the part under test, and return the folder.

    The scene is written as the training split.
    """
    assert tested.component.writer is not None
    folder.mkdir()
    load_of(tested.component, tested.component.writer)({"train": capture}, folder)
    return folder
