"""A known distance between two picked points makes the unit of a reconstruction a meter."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest
from radfield_colmap.measured import NotMeasured, Pick, distance, length, scale_to, triangulated

from radfield_core import UsageError


@pytest.fixture(scope="module")
def model():
    """A reconstruction by COLMAP's own synthesis: 6 cameras with a distorting lens around 100 points."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig = 1, 6
    options.camera_params = [1280.0, 512.0, 384.0, -0.2]
    return pycolmap.synthesize_dataset(options)


def picks_of(model, point: np.ndarray, n: int = 3, noise: float = 0.0) -> tuple[Pick, ...]:
    """Return the pixels at which the first n cameras see a point."""
    draw, found = np.random.default_rng(0), []
    for number in sorted(model.images)[:n]:
        x, y = model.images[number].project_point(point) + draw.normal(0, noise, 2)
        found.append(Pick(model.images[number].name, x, y))
    return tuple(found)


def text_of(model, points: list[np.ndarray], size: str, **how) -> str:
    words = ["+".join(f"{p.name}:{p.x:.3f},{p.y:.3f}" for p in picks_of(model, point, **how)) for point in points]
    return f"{words[0]} {words[1]} = {size}"


def two(model) -> list[np.ndarray]:
    return [model.points3D[number].xyz.copy() for number in sorted(model.points3D)[:2]]


@pytest.mark.parametrize(("text", "meters"), [("165mm", 0.165), (" 0.4 m", 0.4), ("1e3cm", 10.0), ("12in", 0.3048)])
def test_lengths_have_units(text, meters):
    assert length(text) == pytest.approx(meters, rel=1e-12)


@pytest.mark.parametrize("text", ["", "165", "mm", "-3m", "0m", "1parsec", "1e400m", "9" * 500 + "m"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError, match=r"no length such as|no usable length"):
        length(text)


def test_a_point_is_found_where_it_is(model):
    for point in two(model):
        np.testing.assert_allclose(triangulated(model, picks_of(model, point)), point, atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_reconstruction_is_scaled_to_the_known_distance(model, noise):
    copy, points = pycolmap.Reconstruction(model), two(model)
    before = np.linalg.norm(points[0] - points[1])
    centers = np.array([image.projection_center() for image in model.images.values()])
    said = scale_to(pycolmap, copy, distance(text_of(model, points, "40cm", n=5, noise=noise)))
    assert said.startswith("the coordinates are in meters, by the distance of 0.4 m")
    factor = 0.4 / before
    a, b = two(copy)
    assert np.linalg.norm(a - b) == pytest.approx(0.4, rel=1e-5 if not noise else 0.01)
    moved = np.array([image.projection_center() for image in copy.images.values()])
    np.testing.assert_allclose(moved, factor * centers, rtol=1e-5 if not noise else 0.01)


def test_picks_that_give_no_point_leave_the_cameras_as_they_are_and_say_why(model):
    points = two(model)
    first, second = (picks_of(model, point) for point in points)
    with pytest.raises(NotMeasured, match="are not of one point"):
        triangulated(model, (first[0], second[1]))
    with pytest.raises(NotMeasured, match="from nearly the same direction"):
        triangulated(model, (first[0], first[0]))
    copy = pycolmap.Reconstruction(model)
    said = scale_to(pycolmap, copy, distance("x.jpg:1,2+y.jpg:3,4 x.jpg:5,6+y.jpg:7,8 = 1m"))
    assert said == "warning: the cameras have no unit: x.jpg is not among the registered photographs"
    np.testing.assert_array_equal(two(copy), points)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.jpg:1,2+b.jpg:3,4 = 1m", "two points and a length are needed"),
        ("a.jpg:1,2 b.jpg:3,4 = 1m", "each point must be picked in two photographs or more"),
        ("a.jpg:1,2+b.jpg a.jpg:5,6+b.jpg:7,8 = 1m", "'b.jpg' is no pick"),
        ("a.jpg:1,2+b.jpg:3,4 a.jpg:5,6+b.jpg:7,8 = 1", "'1' is no length"),
        ("1m", "two points"),
    ],
)
def test_another_form_is_an_error_with_an_example(text, said):
    with pytest.raises(UsageError) as caught:
        distance(text)
    (problem,) = caught.value.problems
    assert said in problem.message and problem.path == "between" and "a.jpg:120,80" in problem.hint
