"""The lens of a reconstruction gets more coefficients where they make it better, and only there."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest
from radfield_colmap.solver import quiet
from radfield_colmap.solving import adjust, chosen_pairs, invertible, refined, set_lens


def reconstruction(name: str, parameters: list[float]):
    """Return a reconstruction by COLMAP's own synthesis, with noise, solved with a lens of one coefficient."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, 12, 300
    options.camera_model_id, options.camera_params = getattr(pycolmap.CameraModelId, name), parameters
    model = pycolmap.synthesize_dataset(options)
    draw = np.random.default_rng(0)
    for image in model.images.values():
        for point in image.points2D:
            point.xy = point.xy + draw.normal(0, 0.2, 2)
    for camera in model.cameras.values():
        camera.model = pycolmap.CameraModelId.SIMPLE_RADIAL
        camera.params = [parameters[0], 512.0, 384.0, -1.0]
    adjust(pycolmap, model)
    return model


def test_a_lens_with_two_radial_coefficients_is_found(capfd):
    model, stages = reconstruction("RADIAL", [2500.0, 512.0, 384.0, -1.5, 4.0]), []
    before = model.compute_mean_reprojection_error()
    with quiet(pycolmap):
        found = refined(pycolmap, model, lambda *stage: stages.append(stage))
    assert capfd.readouterr() == ("", "")
    (camera,) = found.cameras.values()
    assert camera.model_name == "RADIAL" and found.compute_mean_reprojection_error() < 0.9 * before
    np.testing.assert_allclose(camera.params[3:], [-1.5, 4.0], rtol=0.1)
    assert camera.params[0] == pytest.approx(2500.0, rel=0.01) and stages[-1] == ("lens", 2, 2)


def test_a_lens_that_has_four_coefficients_already_keeps_them():
    model = reconstruction("OPENCV", [2500.0, 2500.0, 512.0, 384.0, -1.5, 4.0, 0.001, 0.0])
    for camera in model.cameras.values():
        set_lens(camera, "OPENCV")
    before = list(model.cameras[1].params)
    assert list(refined(pycolmap, model, lambda *_: None).cameras[1].params) == before


def test_a_lens_with_one_coefficient_keeps_it():
    model = reconstruction("SIMPLE_RADIAL", [700.0, 512.0, 384.0, -0.1])
    with quiet(pycolmap):
        (camera,) = refined(pycolmap, model, lambda *_: None).cameras.values()
    assert camera.model_name == "SIMPLE_RADIAL" and camera.params[3] == pytest.approx(-0.1, abs=0.01)


@pytest.mark.parametrize("name", ["RADIAL", "OPENCV"])
def test_another_lens_keeps_the_coefficients_and_projects_to_the_same_pixels(name):
    camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", 400.0, 400, 300)
    camera.params = [390.0, 200.0, 150.0, -0.07]
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3)) + np.array([0, 0, 1])
    before = camera.img_from_cam(points)
    set_lens(camera, name)
    assert camera.model_name == name
    np.testing.assert_allclose(camera.img_from_cam(points), before, atol=1e-9)


def test_a_lens_that_folds_the_border_of_the_picture_is_refused():
    camera = pycolmap.Camera.create_from_model_name(1, "RADIAL", 300.0, 400, 300)
    camera.params = [300.0, 200.0, 150.0, -0.1, 0.0]
    assert invertible(camera)
    camera.params = [
        300.0,
        200.0,
        150.0,
        -0.6,
        0.0,
    ]  # r − 0.6 r³ is at most 0.497, and the corner is at 0.83
    assert not invertible(camera)


@pytest.mark.parametrize(("n", "which", "count"), [(150, "auto", 11175), (5, "neighbors", 10), (40, "all", 780)])
def test_all_pairs_are_matched_or_as_many_as_neighbors_have(n, which, count):
    pairs = chosen_pairs(n, which)
    assert len(pairs) == len(set(pairs)) == count and all(0 <= i < j < n for i, j in pairs)


def test_neighbors_are_those_that_colmap_matches_in_a_sequence():
    steps = {j - i for i, j in chosen_pairs(700, "auto")}
    assert steps == {*range(1, 11), 16, 32, 64, 128, 256, 512}
