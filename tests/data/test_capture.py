"""A capture: intrinsics follow the size of the images, faults are named, and its views become a scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from radfield_core.cameras import project
from radfield_core.data.capture import (
    Capture,
    common_lens,
    is_missing,
    read_available_headers,
    scene_box,
    shrink_factor,
)
from radfield_core.data.similarity import similarity_matrix, transform_points
from radfield_core.errors import DatasetError, Problems
from radfield_core.types import SceneBox


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Three photographs of 40×30 pixels, with masks and random poses."""
    paths, masks = [tmp_path / f"{i}.png" for i in range(3)], [tmp_path / f"mask_{i}.png" for i in range(3)]
    for image, mask in zip(paths, masks, strict=True):
        Image.new("RGB", (40, 30), "red").save(image)
        Image.new("L", (40, 30), 255).save(mask)
    c2w = np.concatenate([Rotation.random(3, random_state=0).as_matrix(), np.arange(9.0).reshape(3, 3, 1)], -1)
    intrinsics = np.tile([50.0, 52.0, 20.0, 15.0], (3, 1))
    names = [path.name for path in paths]
    sizes = np.tile([40, 30], (3, 1))
    points = np.random.default_rng(0).normal(size=(5, 3))
    return Capture(tmp_path, names, paths, c2w, intrinsics, sizes, masks=masks, points=points)


def fitted(capture: Capture) -> tuple[Capture, Problems]:
    problems = Problems()
    return capture.fitted(problems), problems


def test_images_of_the_cameras_size_change_nothing(capture):
    result, problems = fitted(capture)
    assert not problems and result.notes == () and [header[:2] for header in result.headers] == [(40, 30)] * 3
    assert (result.intrinsics == capture.intrinsics).all() and (result.sizes == capture.sizes).all()


@pytest.mark.parametrize(("factor", "size"), [(2, (20, 15)), (4, (10, 8)), (4, (10, 7))])
def test_a_reduced_copy_reduces_its_intrinsics_and_says_so(capture, factor, size):
    Image.new("RGB", size).save(capture.images[1])
    Image.new("L", size).save(capture.masks[1])
    result, problems = fitted(capture)
    assert not problems and f"1/{factor}" in result.notes[0] and tuple(result.sizes[1]) == size
    across, down = size[0] / 40, size[1] / 30
    np.testing.assert_allclose(result.intrinsics[1], [50 * across, 52 * down, 20 * across, 15 * down])
    assert (result.intrinsics[[0, 2]] == capture.intrinsics[[0, 2]]).all()


def test_other_sizes_and_masks_of_another_size_are_problems(capture):
    Image.new("RGB", (30, 40)).save(capture.images[0])
    Image.new("RGB", (41, 30)).save(capture.images[1])
    Image.new("L", (20, 30)).save(capture.masks[2])
    found = {problem.path: problem for problem in fitted(capture)[1].found}
    assert found.keys() == {"0.png", "1.png", "mask_0.png", "mask_1.png", "mask_2.png"}
    assert "Rotate" in found["0.png"].hint and "Rotate" not in found["1.png"].hint
    assert "20×30" in found["mask_2.png"].message and "40×30" in found["mask_2.png"].message


def test_an_unreadable_file_alone_is_left_to_training(capture):
    capture.images[1].write_bytes(b"")
    result, problems = fitted(capture)
    assert not problems and result.headers[1].fault == "is empty"


@pytest.mark.parametrize("others", ["a missing file", "every file"])
def test_unreadable_files_are_problems_beside_others_or_if_all_are(capture, others):
    capture.images[1].write_bytes(b"")
    if others == "a missing file":
        capture.masks[0].unlink()
        expected = {"1.png", "mask_0.png"}
    else:
        for path in (*capture.images, *capture.masks):
            path.write_bytes(b"")
        expected = {path.name for path in (*capture.images, *capture.masks)}
    assert {problem.path for problem in fitted(capture)[1].found} == expected


def test_the_chosen_views_become_a_scene_that_sees_the_same_pixels(capture):
    result = fitted(replace(capture, notes=("first",)))[0]
    rotation = Rotation.random(random_state=5).as_matrix()
    to_scene = similarity_matrix(rotation, np.array([1.0, 2.0, 3.0]), 0.25)
    to_original = similarity_matrix(np.eye(3), np.ones(3), 10.0)
    scene = result.scene([2, 0], to_scene, near=1.0, far=9.0, box=SceneBox(torch.zeros(3), 2.0), notes=["second"],
                         to_original=to_original)  # fmt: skip
    assert scene.names == ["2.png", "0.png"] and scene.notes == ("first", "second") and scene.masks_mean == "counted"
    assert len(scene.images) == 2 and scene.masks is not None and scene.masks[0].shape == (30, 40, 1)
    expected = transform_points(to_original, capture.points)
    np.testing.assert_allclose(scene.data_points(scene.points).numpy(), expected, atol=1e-9)
    unmoved = result.cameras(np.eye(4), [2])
    before = project(unmoved.view(0), torch.from_numpy(capture.points))[0]
    torch.testing.assert_close(project(scene.cameras.view(0), scene.points)[0], before, atol=1e-8, rtol=1e-8)


def test_each_file_is_opened_once_and_a_missing_one_has_a_header_that_says_so(capture):
    (capture.root / "here.PNG").write_bytes(b"")
    absent, renamed = capture.root / "absent.png", capture.root / "here.png"
    headers = read_available_headers([capture.images[0], capture.images[0], absent, renamed], capture.root)
    assert list(headers) == [capture.images[0], absent, renamed] and not headers[capture.images[0]].fault
    assert is_missing(headers[absent]) and headers[absent].fault == "there is no such file"
    assert not is_missing(headers[renamed]) and headers[renamed].fault == "there is no such file, but here.PNG exists"


def test_missing_images_are_no_problem_of_a_capture_but_missing_masks_are(capture):
    capture.images[1].unlink()
    capture.masks[1].unlink()  # the mask of an image that is missing too
    problems = Problems()
    fitted = capture.fitted(problems)
    assert not problems and fitted.headers[1].width == 0 and (fitted.sizes[1] == capture.sizes[1]).all()
    capture.masks[2].unlink()
    capture.fitted(problems)
    assert [problem.message for problem in problems.found] == ["the mask is missing: there is no such file"]


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [(400, 300), (401, 299), (1600, 1201)])
def test_a_size_divided_and_rounded_either_way_gives_its_factor(size, factor):
    for up in (0, 1):
        assert shrink_factor(size, tuple(-(-n // factor) if up else n // factor for n in size)) == factor


@pytest.mark.parametrize("actual", [(200, 300), (0, 0), (399, 300), (800, 600)])
def test_a_size_that_is_no_fraction_has_no_factor(actual):
    assert shrink_factor((400, 300), actual) is None


def test_the_smallest_lens_model_that_holds_all_is_chosen_with_its_parameters():
    model, parameters = common_lens([("simple_radial", (0.1,)), ("pinhole", ()), ("radial", (0.2, 0.3))], Path())
    assert model == "radial" and parameters.tolist() == [[0.1, 0.0], [0.0, 0.0], [0.2, 0.3]]
    assert common_lens([("pinhole", ())] * 2, Path()) == ("pinhole", None)
    with pytest.raises(DatasetError, match="opencv_fisheye"):
        common_lens([("opencv_fisheye", (0.1, 0, 0, 0)), ("opencv", (0.1, 0, 0, 0))], Path())


def test_the_region_is_scaled_and_moved_with_the_scene():
    to_scene = similarity_matrix(Rotation.random(random_state=1).as_matrix(), np.array([1.0, 0, 0]), 3.0)
    box = scene_box(np.array([2.0, 0, 0]), 0.5, to_scene, measured=False)
    assert box.radius == pytest.approx(1.5) and not box.measured
    np.testing.assert_allclose(box.center.numpy(), 3 * Rotation.random(random_state=1).as_matrix()[:, 0], rtol=1e-5)
