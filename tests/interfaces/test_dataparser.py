"""DataParsers: options are kept, `parse` is required, and a data set is opened with the views that the user chose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from radfield_core.config.slots import option
from radfield_core.config.view_options import with_view_options
from radfield_core.data.scene import Scene
from radfield_core.interfaces import DataParser
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.testing.captures import toy_capture


def complete() -> type[DataParser]:
    return type("Complete", (DataParser,), {"parse": lambda self, *arguments: arguments})


def test_options_are_kept() -> None:
    options = object()
    assert complete()(options).config is options


def test_a_subclass_without_its_method_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="parse"):
        type("Incomplete", (DataParser,), {})(None)


def test_by_default_a_parser_recognizes_nothing_and_has_the_three_usual_splits(tmp_path: Path) -> None:
    assert DataParser.sniff(tmp_path) is None and complete()(None).splits == ("train", "val", "test")


@attrs.frozen(kw_only=True)
class _Options:
    root: str = option(help="a folder")


class _Parser(DataParser):
    splits = ("train", "test")

    def parse(self, split: str) -> Scene:
        assert type(self.config) is _Options and self.config.root == "here"  # it does not see the view options
        return toy_capture(6, size=(32, 24))


def test_a_data_set_is_opened_with_the_views_and_sizes_that_the_user_chose() -> None:
    config = with_view_options(_Options)(root="here", every=2, views="1-5", downscale=2.0)
    parser = open_data_set(SimpleNamespace(load=lambda: _Parser, config=config, name="toy"))  # type: ignore[arg-type]
    train, test = parser.parse("train"), parser.parse("test")
    assert parser.splits == ("train", "test")
    whole = toy_capture(6, size=(32, 24)).names
    assert train.names == [whole[1], whole[3], whole[5]] and test.names == whole[::2]
    assert train.cameras.sizes.tolist() == [[16, 12]] * 3
    assert train.chosen == (
        "3 of 6 train views are used, as data.views and data.every say",
        "images are reduced from 32×24 to 16×12",
    )
