"""The options that every dataparser has beside its own."""

import attrs
import pytest

from radfield_core.config.slots import option
from radfield_core.config.view_options import ViewOptions, divided, with_view_options


@attrs.frozen(kw_only=True)
class _Own:
    """Options of a parser."""

    root: str = option(help="the folder")
    every: str = option("day", help="the parser's own meaning")


def test_a_parser_gets_the_view_options_and_keeps_its_own() -> None:
    both = with_view_options(_Own)(root="scene", downscale=2.0, views="0,1")
    own, views = divided(both)
    assert own == _Own(root="scene", every="day") and type(own) is _Own
    assert views == ViewOptions(downscale=2.0, views="0,1", every=1)  # the parser's own `every` is not a view option


def test_options_without_view_options_get_their_defaults() -> None:
    own = _Own(root="scene")
    assert divided(own) == (own, ViewOptions())


def test_the_class_is_made_once_and_stays_frozen() -> None:
    assert with_view_options(_Own) is with_view_options(_Own)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        with_view_options(_Own)(root="scene").downscale = 3.0


def test_downscale_and_size_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"data\.downscale and data\.size exclude each other"):
        with_view_options(_Own)(root="scene", downscale=2.0, size=100)
