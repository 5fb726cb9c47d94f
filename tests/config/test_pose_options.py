"""The axes of stored poses: names, three letters, and what is refused."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from radfield_core.config.pose_options import PoseOptions, letters_of, turned
from radfield_core.data.poses import as_stored, to_opengl


@pytest.mark.parametrize("axes", ["RUB", "rdf", "opencv", "OpenGL", "FLU", "DRB"])
def test_axes_are_a_name_or_three_letters(axes):
    assert PoseOptions(axes=axes).stored_axes() == letters_of(axes)


@pytest.mark.parametrize("axes", ["", "RU", "RUBF", "RRB", "RLU", "XYZ", "open_gl"])
def test_other_words_are_refused(axes):
    with pytest.raises(ValueError, match="three letters such as RUF"):
        PoseOptions(axes=axes)


def test_unset_axes_are_those_of_the_format():
    @attrs.frozen(kw_only=True)
    class Own(PoseOptions):
        own_axes = "DRB"

    assert Own().stored_axes() == "DRB" and Own(axes="opengl").stored_axes() == "RUB"
    assert turned(turned("FLU")) == "FLU" and turned("FLU") == "BLD"


def test_letters_say_where_each_stored_column_points():
    """A camera at (1, 2, 3) that looks along world x with world z up: right is −y."""
    right, up, back, center = (
        np.array([0.0, -1, 0]),
        np.array([0.0, 0, 1]),
        np.array([-1.0, 0, 0]),
        np.array([1.0, 2, 3]),
    )
    directions = {"R": right, "L": -right, "U": up, "D": -up, "B": back, "F": -back}
    expected = np.stack([right, up, back, center], -1)[None]
    for axes in ("RUB", "RDF", "DRB", "FLU", "RUF"):
        stored = np.stack([*(directions[letter] for letter in axes), center], -1)[None]
        assert np.array_equal(to_opengl(stored, axes, False), expected)
        whole = np.concatenate([stored, [[[0.0, 0, 0, 1]]]], 1)
        np.testing.assert_allclose(to_opengl(np.linalg.inv(whole), axes, True)[:, :3], expected, atol=1e-15)
        np.testing.assert_allclose(as_stored(expected, axes, True), np.linalg.inv(whole)[:, :3], atol=1e-15)


def test_a_matrix_without_an_inverse_becomes_nan():
    assert np.isnan(to_opengl(np.zeros((1, 3, 4)), "RUB", True)).all()
