"""Why cameras could not be solved is measured: blur, several scenes, a still background, too little texture."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest
from PIL import Image
from radfield_colmap import causes
from radfield_colmap.still import drop_still, matched, still_share

from radfield_core import DatasetError


def natural(seed: int = 0, size: int = 256) -> np.ndarray:
    """Return a picture [size, size] whose amplitudes fall as 1/f, as in photographs (Field 1987)."""
    frequencies = np.fft.fftfreq(size)
    radius = np.hypot(frequencies[:, None], frequencies[None])
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size))) / radius
    picture = np.fft.ifft2(spectrum).real
    return 128 + 40 * picture / picture.std()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_picture_smeared_in_one_direction_is_blurred_and_a_natural_one_is_not(axis):
    sharp = natural()
    smeared = np.mean([np.roll(sharp, i, axis) for i in range(31)], axis=0)
    assert causes.fine_detail(sharp) > 10 * causes.BLURRED
    assert causes.fine_detail(smeared) < causes.BLURRED
    assert causes.fine_detail(np.full((64, 64), 7.0)) == 1.0


@pytest.mark.parametrize(
    ("kind", "features", "said", "advised"),
    [
        ("smeared", 500, "4 of them are blurred (0.png, 1.png, 3.png …)", "sharp photographs"),
        ("blank", 3, "4 of them show too little texture", "texture"),
        ("sharp", 500, "only 2 of 4 photographs could be put into one scene", "many positions"),
    ],
)
def test_the_cause_that_was_measured_is_named(kind, features, said, advised, tmp_path):
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        picture = natural(i)
        picture = {"smeared": np.mean([np.roll(picture, k, 1) for k in range(31)], 0), "blank": 0 * picture}.get(
            kind, picture
        )
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    text = causes.too_few(2, names, tmp_path, [features] * 4, "")
    assert said in text and advised in causes.advice(text)
    assert text.endswith("one scene") == (kind == "sharp")


def test_reconstructions_that_share_half_their_photographs_are_one_scene():
    a, b = frozenset("abcdefgh"), frozenset("tuvwxyz")
    assert causes.separate([frozenset("abcdx"), b, a]) == [2, 1]
    assert causes.separate([a, frozenset("xy")]) == [0]  # two photographs are no scene


def test_two_scenes_of_about_the_same_size_need_a_choice(tmp_path):
    scenes = [[f"cup{i}.jpg" for i in range(12)], [f"can{i}.jpg" for i in range(8)]]
    with pytest.raises(DatasetError) as caught:
        causes.check_scenes(scenes, None, tmp_path)
    (problem,) = caught.value.problems
    assert "scene 1: 12 photographs (cup0.jpg, cup5.jpg, cup11.jpg …)" in problem.message
    assert "scene 2: 8 photographs (can0.jpg, can3.jpg, can7.jpg …)" in problem.message and "scene=2" in problem.hint
    assert [causes.check_scenes(scenes, chosen, tmp_path) for chosen in (1, 2)] == [0, 1]
    assert causes.check_scenes([scenes[0], scenes[1][:5]], None, tmp_path) == 0
    with pytest.raises(DatasetError, match="scene=3 was not found"):
        causes.check_scenes(scenes, 3, tmp_path)


def stored(folder, places, descriptors):
    """Write features to a database, [V, F, 2] and [F, 128], and return its path."""
    path = folder / "features.db"
    with pycolmap.Database.open(path) as database:
        camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", 400.0, 400, 300)
        number = database.write_camera(camera)
        for i, each in enumerate(places):
            image = database.write_image(pycolmap.Image(name=f"{i:06d}.jpg", camera_id=number, image_id=i + 1), True)
            shape = np.tile(np.eye(2, dtype=np.float32).reshape(-1), (len(each), 1))
            database.write_keypoints(image, np.concatenate([each, shape], 1).astype(np.float32))
            described = pycolmap.FeatureDescriptors(type=pycolmap.FeatureExtractorType.SIFT, data=descriptors)
            database.write_descriptors(image, described)
    return path


@pytest.mark.parametrize("still", [0, 60, 90])
def test_the_share_of_features_that_stand_still_is_counted_and_they_can_be_dropped(still, tmp_path):
    draw = np.random.default_rng(0)
    descriptors = (255 * draw.uniform(size=(100, 128)) ** 8).astype(np.uint8)  # as unlike each other as SIFT's
    first = draw.uniform(20, 200, (100, 2))
    moving = np.arange(100) >= still
    places = np.stack([first + np.where(moving[:, None], [9.0 * i, 4.0 * i], 0.2 * (i % 2)) for i in range(12)])
    database = stored(tmp_path, places, descriptors)
    assert still_share(pycolmap, database) == pytest.approx(still / 100, abs=1e-9)
    assert drop_still(pycolmap, database) == 12 * still
    with pycolmap.Database.open(database) as left:
        for i in range(12):
            np.testing.assert_allclose(left.read_keypoints(i + 1)[:, :2], places[i][moving], rtol=1e-5)
            np.testing.assert_array_equal(left.read_descriptors(i + 1).data, descriptors[moving])


def test_features_match_where_they_are_each_others_nearest():
    """Against the loop over all pairs."""
    draw = np.random.default_rng(1)
    first = draw.normal(size=(40, 128))
    other = np.vstack([first[10:30] + 0.1 * draw.normal(size=(20, 128)), draw.normal(size=(25, 128))])
    first, other = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (first, other))
    rows, partners = matched(first, other)
    assert rows.tolist() == list(range(10, 30)) and partners.tolist() == list(range(20))
    assert matched(first, other[:1])[0].size == 0
