"""For any damage to a real poses_bounds.npy, the result is a valid scene or a DatasetError."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from radfield_llff.config import LlffConfig
from radfield_llff.dataparser import Llff

from radfield_core import DatasetError
from radfield_core.testing import apply_byte_edits, assert_valid_scene, byte_edits

FUZZ = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def fern(test_data, tmp_path_factory):
    """Three rows of the real capture, with blank photographs."""
    folder = tmp_path_factory.mktemp("fern")
    (folder / "images_8").mkdir()
    for i in range(3):
        Image.new("RGB", (504, 378)).save(folder / "images_8" / f"{i}.png")
    return folder, np.load(test_data / "llff" / "fern" / "poses_bounds.npy")[:3]


def attempt(folder, table: bytes, spherify: bool) -> None:
    (folder / "poses_bounds.npy").write_bytes(table)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scene = Llff(LlffConfig(root=str(folder), spherify=spherify)).parse("train")
    except DatasetError:
        return
    assert_valid_scene(scene)
    assert scene.render_path is not None and scene.render_path.isfinite().all()


def stored(table: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, table)
    return buffer.getvalue()


@settings(FUZZ, max_examples=1200)
@given(edits=byte_edits(), spherify=st.booleans())
def test_any_bytes_in_any_place(fern, edits, spherify):
    folder, table = fern
    attempt(folder, apply_byte_edits(stored(table), edits), spherify)


@settings(FUZZ, max_examples=1800)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 16), st.floats(width=64) | st.sampled_from([0.0, 1.0, -1.0, 1e-9])),
        min_size=1, max_size=4,
    ),
    spherify=st.booleans(),
)  # fmt: skip
def test_any_number_in_any_place(fern, changes, spherify):
    folder, table = fern
    table = table.copy()
    for row, column, value in changes:
        table[row, column] = value
    attempt(folder, stored(table), spherify)
