"""The data set that a dataparser or converter reads in a test, and the dataparser for it."""

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
    """The example data set for a part under test.

    It is the example that the test supplies. If the test supplies none, the format's own writer writes one. A
    dataparser that reads no files needs none.

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
        f"{tested.component.key} reads files, but the test supplies no example data set",
        hint="Pass conformance(…, example=make), where make(folder) writes a small data set and returns an Example",
    )


def has_root(tested: PartUnderTest) -> bool:
    """True if the part has an option `root`, which means that it reads files."""
    return "root" in [attribute.name for attribute in attrs.fields(options_of(tested.component))]


def parser_of(tested: PartUnderTest, root: Path | None) -> DataParser:
    """The dataparser under test, built to read the data set at `root`."""
    options = dict(tested.options)
    if root is not None and has_root(tested):
        options["root"] = str(root)
    choice = tested.choose(tested.component, options)
    parser: DataParser = choice.load()(choice.config)
    return parser


def write_capture(tested: PartUnderTest, folder: Path, capture: Scene) -> Path:
    """Write a capture as the training split into a new folder with the format's own writer, and return the folder."""
    assert tested.component.writer is not None
    folder.mkdir()
    load_of(tested.component, tested.component.writer)({"train": capture}, folder)
    return folder
