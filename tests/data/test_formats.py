"""The synthetic scene through every format, and what crosses formats: recognition, and real points on real images."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from radfield_core.cameras import Cameras, project
from radfield_core.cli.main import main
from radfield_core.config.layers import compose_data
from radfield_core.data.area_average import area_average
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_points
from radfield_core.errors import DatasetError, UsageError
from radfield_core.inspection.quality import limits_against_points
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugin import load
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.captures import pixel_difference, ray_difference, toy_capture
from radfield_core.types import SceneBox

SMALL = ["data.resolution=32", "data.n_train=8", "data.n_val=2", "data.n_test=2", "data.supersample=1"]
ROUTES = [
    ("blender", [], []),
    ("llff", ["data.layout=forward"], ["data.holdout=0"]),
    ("llff", [], ["data.holdout=0", "data.spherify=true"]),
    ("transforms", [], []),
    ("transforms", ["data.lens=opencv"], ["data.orientation=up", "data.center=poses", "data.auto_scale=true"]),
    ("transforms", ["data.lens=opencv_fisheye"], []),
    ("transforms", ["data.lens=equirectangular"], []),
    ("colmap", ["data.lens=equirectangular"], ["data.holdout=0"]),
    ("colmap", ["data.lens=opencv"], ["data.holdout=0"]),
    ("colmap", ["data.lens=opencv_fisheye"], ["data.holdout=0", "data.orientation=pca"]),
]


def scenes_of(path: str, overrides: list[str], splits=("train", "val", "test")):
    choice, _ = compose_data(get_registry(), str(path), overrides)
    parser = choice.load()(choice.config)
    return {split: parser.parse(split) for split in splits}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Rendered images are kept in a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(("name", "made_with", "read_with"), ROUTES)
def test_every_format_gives_the_synthetic_scenes_rays_in_its_own_coordinates(tmp_path, name, made_with, read_with):
    made = scenes_of("synthetic", SMALL + made_with)
    component = get_registry().find("dataparser", name)
    load(component.writer)(made, tmp_path / "capture")
    read = scenes_of(tmp_path / "capture", [f"data.type={name}", *read_with], ("train",))["train"]
    stand = transform_points(read.to_data, read.cameras.c2w[:, :, 3])
    assert len(read.cameras) >= 8
    for match, theirs in enumerate(read.names):
        scene, index = _nearest(made.values(), stand[match])
        assert ray_difference(scene, read, scene.names[index], theirs) < 1e-5
        assert pixel_difference(scene, read, scene.names[index], theirs) < 1e-4
        assert torch.equal(scene.images[index], read.images[match])


@pytest.mark.parametrize("name", ["blender", "llff", "dtu"])
def test_panoramas_are_refused_by_formats_without_a_lens(tmp_path, name):
    made = scenes_of("synthetic", [*SMALL, "data.lens=equirectangular"])
    with pytest.raises(UsageError, match=r"pinhole|support the lens equirectangular"):
        load(get_registry().find("dataparser", name).writer)(made, tmp_path / "capture")


def _nearest(scenes, place):
    """The scene and the index of the view that stands at a place in the data's coordinates."""
    found = [((transform_points(s.to_data, s.cameras.c2w[:, :, 3]) - place).norm(dim=-1).min(0), s) for s in scenes]
    (_, index), scene = min(found, key=lambda each: each[0].values)
    return scene, int(index)


def wall(model: str) -> Scene:
    """Nine cameras side by side, 90° wide or more, before a wall of points that fills their pictures."""
    c2w = torch.eye(4, dtype=torch.float64)[:3].repeat(9, 1, 1)
    c2w[:, 0, 3] = torch.linspace(-0.5, 0.5, 9)
    side = torch.linspace(-3.5, 3.5, 40)
    points = torch.cat([torch.cartesian_prod(side, side), torch.full((1600, 1), -4.0)], 1)
    pinhole = Cameras.pinhole(c2w, 30.0, 60, 60)
    lens = torch.zeros(9, 4, dtype=torch.float64) if model == "opencv_fisheye" else None
    return Scene(
        cameras=Cameras(c2w, pinhole.intrinsics, pinhole.sizes, model=model, distortion=lens),
        images=MemoryImages(torch.zeros(9, 60, 60, 3, dtype=torch.uint8)), near=1.0, far=10.0,
        box=SceneBox(torch.zeros(3), 5.0, measured=False), points=points, names=[str(i) for i in range(9)],
    )  # fmt: skip


@pytest.mark.parametrize("model", ["pinhole", "opencv_fisheye"])
@pytest.mark.parametrize("name", ["colmap", "transforms"])
def test_near_and_far_along_the_rays_hold_what_stands_at_a_wide_pictures_border(tmp_path, name, model):
    load(get_registry().find("dataparser", name).writer)({"train": wall(model)}, tmp_path / "capture")
    scene = scenes_of(tmp_path / "capture", [f"data.type={name}", "data.holdout=0"], ("train",))["train"]
    seen = []
    for view in range(9):
        pixels, depths = project(scene.cameras.view(view), scene.points)
        inside = ((pixels >= -0.5) & (pixels < 59.5)).all(-1) & (depths > 0)
        seen.append((scene.points[inside] - scene.cameras.c2w[view, :, 3]).norm(dim=-1))
    distances = torch.cat(seen)
    assert scene.limits_along == "ray"
    assert scene.near < distances.min() and distances.max() < scene.far < 1.2 * distances.max()
    assert not limits_against_points(scene)[1]


def test_a_real_folder_in_two_formats_is_read_in_the_one_that_reads_more(test_data):
    choice, remarks = compose_data(get_registry(), str(test_data / "colmap" / "can"), [])
    assert choice.name == "colmap" and remarks[0].endswith(
        "which reads more than llff; add data.type=llff to change this"
    )


@pytest.mark.parametrize(
    ("folder", "name"),
    [("colmap/can", "colmap"), ("llff/fern", "llff"), ("llff/horns", "llff"), ("instant_ngp/fox", "transforms")],
)
def test_every_real_capture_is_recognized_and_read_with_every_image(test_data, folder, name):
    overrides = [f"data.type={name}"] if folder == "colmap/can" else []
    choice, _ = compose_data(get_registry(), str(test_data / folder), overrides)
    assert choice.name == name
    parser = choice.load()(choice.config)
    views = [parser.parse(split) for split in ("train", "test")]
    stored = {"colmap/can": 71, "llff/fern": 20, "llff/horns": 62, "instant_ngp/fox": 50}[folder]
    assert sum(len(scene.cameras) for scene in views) == stored
    assert [fault for scene in views for fault in scene.images.check()] == []


def test_ferns_points_look_alike_where_they_fall_in_neighboring_views(test_data):
    """No observations are stored with fern: what a point looks like in one view is searched for in another.

    The distance between where it is found and where it falls is the reprojection error of both together.
    """
    from radfield_colmap.binary import read_points

    scene = scenes_of(test_data / "llff" / "fern", ["data.holdout=0", "data.ndc=false"], ("train",))["train"]
    _, points, _, errors = read_points(test_data / "llff" / "fern" / "sparse" / "0" / "points3D.bin")
    points = torch.from_numpy(points[errors < 1.0])[::7]
    inverse = torch.linalg.inv(scene.to_data)
    points = points @ inverse[:3, :3].T + inverse[:3, 3]
    gray = [scene.images[i].double().mean(-1).numpy() for i in range(len(scene.images))]
    found = []
    for first, second in ((0, 1), (5, 6), (9, 10), (14, 15)):
        here, there = (project(scene.cameras.view(i), points)[0].numpy() for i in (first, second))
        for a, b in zip(here, there, strict=True):
            distance = _found_at(gray[first], gray[second], a, b)
            if distance is not None:
                found.append(distance)
    assert len(found) > 200
    print(f"\nfern: {len(found)} points fall {np.median(found):.2f} px (median) from where they are found")
    assert np.median(found) <= 1.5


def _found_at(one: np.ndarray, other: np.ndarray, a: np.ndarray, b: np.ndarray, half: int = 5, reach: int = 7):
    """Pixels between b and where the patch of `one` about a is best found in `other`; None if that is not clear."""
    rows, columns = one.shape
    (x, y), (u, v) = np.round(a).astype(int), np.round(b).astype(int)
    margin = half + reach
    if not (half <= x < columns - half and half <= y < rows - half):
        return None
    if not (margin <= u < columns - margin and margin <= v < rows - margin):
        return None
    patch = one[y - half : y + half + 1, x - half : x + half + 1]
    if patch.std() < 12:
        return None
    window = other[v - margin : v + margin + 1, u - margin : u + margin + 1]
    views = np.lib.stride_tricks.sliding_window_view(window, patch.shape)
    centerd, like = views - views.mean((-1, -2), keepdims=True), patch - patch.mean()
    score = (centerd * like).sum((-1, -2)) / np.sqrt((centerd**2).sum((-1, -2)) * (like**2).sum() + 1e-9)
    row, column = np.unravel_index(score.argmax(), score.shape)
    if score.max() < 0.9:
        return None  # hidden in the other view, or seen too differently
    offset = np.array([column - reach + u, row - reach + v]) - (np.round(a) - a) - b
    return float(np.hypot(*offset))


def test_convert_writes_a_format_from_any_other(test_data, tmp_path, capsys):
    can = str(test_data / "colmap" / "can")
    code = main(["data", "convert", "transforms", can, str(tmp_path / "new"), "data.type=colmap", "-q"])
    assert code == 0 and "colmap as transforms" in capsys.readouterr().out
    before = scenes_of(can, ["data.type=colmap"], ("train", "test"))
    after = scenes_of(tmp_path / "new", [], ("train", "test"))
    for split, scene in before.items():
        assert [f"images/{name}" for name in scene.names] == after[split].names
        for name in scene.names[::9]:
            assert ray_difference(scene, after[split], name, f"images/{name}") < 1e-5
    copied, original = tmp_path / "new" / "images" / "0001.jpg", test_data / "colmap/can/images/0001.jpg"
    assert copied.read_bytes() == original.read_bytes()


@pytest.mark.parametrize("name", ["colmap", "transforms"])
def test_masks_of_an_object_do_not_become_masks_of_what_counts(tmp_path, name, caplog):
    write = load(get_registry().find("dataparser", name).writer)
    scene = toy_capture(9, masks=True)
    assert scene.masks_mean == "object"
    write({"train": scene}, tmp_path / "opaque")
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "object" in caplog.text
    caplog.clear()
    assert not (tmp_path / "opaque" / "masks").exists()
    read = [f"data.type={name}", "data.holdout=0"]
    assert scenes_of(tmp_path / "opaque", read, ("train",))["train"].masks is None

    clear = MemoryImages([torch.cat([scene.images[i], scene.masks[i]], -1) for i in range(9)])
    write({"train": replace(scene, images=clear)}, tmp_path / "clear")
    assert not caplog.records, "the images keep the masks as transparency"
    back = scenes_of(tmp_path / "clear", read, ("train",))["train"]
    assert back.masks is None and all(torch.equal(back.images[i], clear[i]) for i in range(9))


@pytest.mark.parametrize(("name", "option"), [("colmap", "holdout"), ("transforms", "holdout"), ("dtu", "hold_every")])
def test_holding_every_view_out_is_refused_with_the_options_name(tmp_path, name, option):
    load(get_registry().find("dataparser", name).writer)({"train": toy_capture(9)}, tmp_path / "capture")
    with pytest.raises(DatasetError, match=f"data.{option}=1 holds out every view") as caught:
        scenes_of(tmp_path / "capture", [f"data.type={name}", f"data.{option}=1"], ("train",))
    assert f"data.{option}=8" in str(caught.value)
    scenes = scenes_of(tmp_path / "capture", [f"data.type={name}", f"data.{option}=0"])
    assert [len(scene.cameras) for scene in scenes.values()] == [9, 2, 2], "all trained on, every eighth tested"


EVERY_FORMAT = ["synthetic", "blender", "blender-multiscale", "tiny-nerf", "llff", "dtu", "transforms", "colmap"]


@pytest.fixture(scope="module")
def every_format(tmp_path_factory, request):
    """The synthetic scene in every format: a table of format -> (path, options)."""
    folder = tmp_path_factory.mktemp("formats")
    small = [*SMALL, "data.resolution=48"][1:]
    made = scenes_of("synthetic", small)
    paths = {"synthetic": ("synthetic", small)}
    for name in ("blender", "llff", "dtu", "transforms", "colmap"):
        load(get_registry().find("dataparser", name).writer)(made, folder / name)
        paths[name] = (str(folder / name), ["data.ndc=false"] if name == "llff" else [])
    main(["data", "convert", "multiscale", paths["blender"][0], str(folder / "multi"), "n_down=2", "-q"])
    paths["blender-multiscale"] = (str(folder / "multi"), [])
    train = made["train"]
    images = torch.stack([train.images[i][..., :3] for i in range(len(train.images))]).numpy()
    bottom = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]).expand(len(images), 1, 4)
    poses = torch.cat([train.cameras.c2w.float(), bottom], 1).numpy()
    np.savez(folder / "tiny.npz", images=images, poses=poses, focal=train.cameras.intrinsics[0, 0].numpy())
    paths["tiny-nerf"] = (str(folder / "tiny.npz"), ["data.n_train=6"])
    return paths


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_view_options_hold_for_every_format(every_format, name):
    path, options = every_format[name]
    full = _opened(path, options)
    small = _opened(path, [*options, "data.every=2", "data.downscale=1.5"])
    for split, scene in full.items():
        kept = range(0, len(scene.cameras), 2)
        assert small[split].names == [scene.names[view] for view in kept]
        for row, view in enumerate(kept):
            (width, height), (w, h) = scene.cameras.sizes[view].tolist(), small[split].cameras.sizes[row].tolist()
            assert (w, h) == (round(width / 1.5), round(height / 1.5))
            assert torch.equal(small[split].cameras.c2w[row], scene.cameras.c2w[view])
            scale = torch.tensor([w / width, h / height] * 2, dtype=torch.float64)
            assert torch.allclose(small[split].cameras.intrinsics[row], scene.cameras.intrinsics[view] * scale)
            wanted = area_average(scene.images[view].numpy(), w, h)
            assert np.array_equal(small[split].images[row].numpy(), wanted)
            if scene.masks is not None:
                mask = area_average(scene.masks[view].numpy(), w, h)
                assert np.array_equal(small[split].masks[row].numpy(), mask)
    assert (small["train"].near, small["train"].far) == (full["train"].near, full["train"].far)


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_training_views_are_chosen_by_number_and_sizes_by_the_longer_side(every_format, name):
    path, options = every_format[name]
    full, few = _opened(path, options), _opened(path, [*options, "data.views=1,3-4", "data.size=20"])
    assert few["train"].names == [full["train"].names[view] for view in (1, 3, 4)]
    assert few["test"].names == full["test"].names
    assert few["train"].cameras.sizes.amax(-1).tolist() == [20, 20, 20]


def _opened(path, overrides):
    choice, _ = compose_data(get_registry(), path, overrides)
    parser = open_data_set(choice)
    return {split: parser.parse(split) for split in parser.splits}


def test_a_folder_that_several_formats_fit_is_read_in_the_one_that_reads_most(every_format, tmp_path):
    def together(*names):
        folder = tmp_path / "-".join(names)
        for name in names:
            shutil.copytree(every_format[name][0], folder, dirs_exist_ok=True)
        return folder

    def taken(folder):
        return compose_data(get_registry(), folder)[0].name

    turning, forward = together("llff", "colmap"), tmp_path / "forward"
    assert taken(turning) == "colmap"  # the cameras stand all around: NDC would not fit, but the lens and points do
    shutil.copytree(turning, forward)
    load(get_registry().find("dataparser", "llff").writer)(_forward(), tmp_path / "fern")
    shutil.copy(tmp_path / "fern" / "poses_bounds.npy", forward)
    assert taken(forward) == "llff"
    assert taken(together("transforms", "colmap")) == "transforms"
    assert taken(together("dtu", "colmap", "llff")) == "dtu"
    exported = together("blender")
    for file in exported.glob("transforms_*.json"):
        file.write_text(file.read_text().replace('"camera_angle_x"', '"fl_x": 94.0, "camera_angle_x"', 1))
    assert taken(exported) == "transforms"
    assert compose_data(get_registry(), exported, ["data.type=blender"])[0].name == "blender"


def _forward():
    return {"train": toy_capture(8, forward=True)}
