"""The multiscale layout: written files are read back, and compared with the published scene and with means computed
here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig, MultiscaleConfig, MultiscaleConversionConfig
from radfield_blender.convert_multiscale import MultiscaleConverter
from radfield_blender.multiscale import KEYS, MultiscaleParser

from radfield_core import DatasetError, UsageError, main, pixel_rays


def parse(root: Path, split: str = "train"):
    return MultiscaleParser(MultiscaleConfig(root=str(root))).parse(split)


def convert(source: Path, target: Path, **options) -> list[Path]:
    return MultiscaleConverter(MultiscaleConversionConfig(**options)).convert(source, target)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(np.float64)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A Blender folder of two 8×8 views with random colors and alpha."""
    generator, folder = np.random.default_rng(0), tmp_path / "small"
    for split in ("train", "test"):
        frames = []
        (folder / split).mkdir(parents=True)
        for i in range(2):
            image = generator.integers(0, 256, (8, 8, 4), dtype=np.uint8)
            image[:4, :4, 3] = 0
            Image.fromarray(image).save(folder / split / f"r_{i}.png")
            pose = np.eye(4)
            pose[:3, 3] = (i, 0, 4)
            frames.append({"file_path": f"./{split}/r_{i}", "transform_matrix": pose.tolist()})
        (folder / f"transforms_{split}.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames}))
    return folder


@pytest.fixture(scope="module")
def lego(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Blender scene, with three views per split, after conversion."""
    source, target = tmp_path_factory.mktemp("lego") / "blender", tmp_path_factory.mktemp("lego") / "multiscale"
    source.mkdir()
    for split in ("train", "val", "test"):
        table = json.loads((test_data / f"blender/lego/transforms_{split}.json").read_text())
        table["frames"] = table["frames"][:3]
        (source / f"transforms_{split}.json").write_text(json.dumps(table))
        (source / split).mkdir()
        for frame in table["frames"]:
            name = f"{frame['file_path']}.png"
            (source / name).write_bytes((test_data / "blender/lego" / name).read_bytes())
    convert(source, target)
    return target


def test_conversion_has_the_keys_types_shapes_and_order_of_the_shipped_scene(lego, test_data):
    ours = json.loads((lego / "metadata.json").read_text())
    shipped = json.loads((test_data / "blender_multiscale/lego/metadata.json").read_text())
    assert list(ours) == list(shipped)
    for split in shipped:
        assert list(ours[split]) == list(shipped[split]) == list(KEYS)
        for key in KEYS:
            mine, theirs = ours[split][key], shipped[split][key][: len(ours[split][key])]
            assert len(mine) == 12 and type(mine[0]) is type(theirs[0])
            assert np.shape(mine) == np.shape(theirs)
        for key in ("file_path", "label", "near", "far", "lossmult"):
            assert ours[split][key] == shipped[split][key][:12]


def test_converted_cameras_equal_the_shipped_ones(lego, test_data):
    """The full size of the published scene is half of ours, so its scale j is our scale j + 1."""
    ours = json.loads((lego / "metadata.json").read_text())["train"]
    shipped = json.loads((test_data / "blender_multiscale/lego/metadata.json").read_text())["train"]
    np.testing.assert_allclose(ours["cam2world"], shipped["cam2world"][:12], atol=1e-6)
    for view in range(3):
        for scale in range(3):
            mine, theirs = 4 * view + scale + 1, 4 * view + scale
            for key in ("pix2cam", "focal", "width", "height"):
                np.testing.assert_allclose(ours[key][mine], shipped[key][theirs], rtol=1e-6, atol=1e-6)


def test_converted_pixels_are_means_of_two_by_two_weighted_by_alpha(lego, test_data):
    full = pixels(test_data / "blender/lego/train/r_0.png")
    half = pixels(lego / "images_train/000_d1.png")
    np.testing.assert_array_equal(pixels(lego / "images_train/000_d0.png"), full)
    assert half.shape == (200, 200, 4)
    for row in range(0, 200, 3):
        for column in range(0, 200, 3):
            block = full[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(4, 4)
            alpha = block[:, 3].sum()
            weights = block[:, 3] / alpha if alpha else np.full(4, 0.25)
            expected = [*(weights @ block[:, :3]), block[:, 3].mean()]
            np.testing.assert_allclose(half[row, column], expected, atol=0.5 + 1e-9)


def test_pixels_equal_the_shipped_ones_where_both_have_the_scale(lego, test_data):
    for scale in range(3):
        ours = pixels(lego / f"images_train/000_d{scale + 1}.png")
        shipped = pixels(test_data / f"blender_multiscale/lego/images_train/000_d{scale}.png")
        seen = [image[..., :3] * image[..., 3:] / 255 for image in (ours, shipped)]
        assert np.abs(seen[0] - seen[1]).max() <= 3.0


def test_no_scale_is_made_from_a_rounded_one(small, tmp_path):
    convert(small, tmp_path / "out", average="published")
    full = pixels(small / "train/r_1.png")
    eighth = pixels(tmp_path / "out/images_train/001_d3.png")
    assert np.abs(eighth[0, 0] + 0.5 - full.mean(axis=(0, 1))).max() <= 0.5 + 1e-4


def test_published_means_are_truncated_float32_as_mip_nerf_s_script_computes_them():
    """Compute every block of a random image separately, in single precision and in the order of the script."""
    image = np.random.default_rng(3).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    image[:2, :2] = 7  # a mean that is a whole number
    found = MultiscaleConverter(MultiscaleConversionConfig(n_down=3, average="published")).pyramid(image)
    expected, near_whole = [np.float32(value) / np.float32(255) for value in image.reshape(-1).tolist()], 0
    for scale in (1, 2):
        side, finer = 64 >> scale, 64 >> (scale - 1)
        means = []
        for row in range(side):
            for column in range(side):
                for channel in range(4):
                    at = [((2 * row + i) * finer + 2 * column + j) * 4 + channel for i in (0, 1) for j in (0, 1)]
                    total = np.float32(0)
                    for index in at:
                        total = np.float32(total + expected[index])
                    means.append(np.float32(total / np.float32(4)))
        written = [int(np.float32(mean * np.float32(255))) for mean in means]
        assert found[scale].reshape(-1).tolist() == written
        exact = [round(float(mean) * 255 * 4**scale) // 4**scale for mean in means]
        near_whole += sum(a != b for a, b in zip(written, exact, strict=True))
        expected = means
    assert near_whole > 0, "some numbers differ from those of exact arithmetic, or the test would show nothing"


def test_weighted_means_lay_over_any_background_as_the_mean_of_what_lay_over_it(small, tmp_path):
    convert(small, tmp_path / "out", n_down=2)
    full, half = (pixels(path) / 255 for path in (small / "test/r_0.png", tmp_path / "out/images_test/000_d1.png"))
    for background in (0.0, 1.0):
        on = [image[..., :3] * image[..., 3:] + background * (1 - image[..., 3:]) for image in (full, half)]
        np.testing.assert_allclose(on[1], on[0].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)), atol=1.01 / 255)


def test_the_shipped_scene_is_read_with_its_scales_weights_and_cameras(test_data):
    root = test_data / "blender_multiscale/lego"
    assert MultiscaleParser.sniff(root) and BlenderParser.sniff(root) is None
    counts = {"train": 400, "val": 40, "test": 100}
    for split, count in counts.items():
        scene = parse(root, split)
        assert len(scene.cameras) == len(scene.images) == len(scene.names) == len(scene.groups) == count
        assert scene.groups[:5] == ["full", "1/2", "1/4", "1/8", "full"]
        assert scene.loss_weights[:5].tolist() == [1.0, 4.0, 16.0, 64.0, 1.0]
        assert scene.cameras.sizes[:4].tolist() == [[200, 200], [100, 100], [50, 50], [25, 25]]
        assert (scene.near, scene.far, scene.limits_along) == (2.0, 6.0, "axis")
        focal = 0.5 * 200 / math.tan(0.5 * 0.6911112070083618)
        for scale in range(4):
            expected = [focal / 2**scale, focal / 2**scale, 100 / 2**scale, 100 / 2**scale]
            assert scene.cameras.intrinsics[scale].tolist() == pytest.approx(expected, rel=1e-6)


def test_the_cone_of_a_coarser_pixel_is_as_much_wider(test_data):
    scene = parse(test_data / "blender_multiscale/lego")
    middle = torch.tensor([100, 50, 25, 12])
    radii = pixel_rays(scene, torch.arange(4), middle, middle, dtype=torch.float64).radii
    torch.testing.assert_close(
        radii / radii[0], torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64), rtol=1e-2, atol=0
    )


def test_a_converted_folder_reads_as_the_scene_it_came_from(small, tmp_path):
    written = convert(small, tmp_path / "out")
    assert len(written) == 17 and all(path.is_file() for path in written)
    source, scene = BlenderParser(BlenderConfig(root=str(small))).parse("test"), parse(tmp_path / "out", "test")
    torch.testing.assert_close(scene.cameras.c2w[::4], source.cameras.c2w)
    torch.testing.assert_close(scene.cameras.intrinsics[::4], source.cameras.intrinsics)
    assert torch.equal(scene.images[4], source.images[1])


def test_the_command_line_converts_and_says_where_to(small, tmp_path, capsys):
    assert main(["data", "convert", "multiscale", str(small), str(tmp_path / "out"), "n_down=2"]) == 0
    assert "9 files" in capsys.readouterr().out
    assert parse(tmp_path / "out").groups == ["full", "1/2", "full", "1/2"]
    assert main(["data", "convert", "multiscale", str(small), str(tmp_path / "other"), "n_dwon=2"]) == 2
    assert "n_down" in capsys.readouterr().err
    assert main(["data", "convert", "multiscale", str(tmp_path / "absent"), str(tmp_path / "other")]) == 2
    assert "absent" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        convert(small, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.txt"]


def test_images_that_cannot_be_halved_so_often_are_refused_with_what_fits(small, tmp_path):
    with pytest.raises(DatasetError, match="n_down=4"):
        convert(small, tmp_path / "out", n_down=5)
    assert not (tmp_path / "out").exists()


def _break(folder: Path, change) -> str:
    table = json.loads((folder / "metadata.json").read_text())
    change(table["train"])
    (folder / "metadata.json").write_text(json.dumps(table))
    with pytest.raises(DatasetError) as caught:
        parse(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("pix2cam"), "pix2cam"),
        (lambda t: t["far"].pop(), "far has 7 entries"),
        (lambda t: t["width"].__setitem__(2, 3), "the image is 2×2"),
        (lambda t: t["lossmult"].__setitem__(2, "x"), "lossmult: not a number"),
        (lambda t: t["near"].__setitem__(2, 9.0), "near is 9 and far is 6"),
        (lambda t: t["cam2world"][1][0].__setitem__(0, 5.0), "000_d1.png"),
        (lambda t: t["pix2cam"][1][0].__setitem__(1, 5.0), "pix2cam is not"),
        (lambda t: t["file_path"].__setitem__(3, "../../etc/passwd"), "passwd"),
        (lambda t: [t[key].clear() for key in t], "the split is empty"),
    ],
)
def test_faults_of_the_metadata_are_named(small, tmp_path, change, said):
    convert(small, tmp_path / "out")
    assert said in _break(tmp_path / "out", change)


def test_all_faults_are_named_at_once(small, tmp_path):
    convert(small, tmp_path / "out")

    def change(table):
        table["near"][0], table["lossmult"][5], table["pix2cam"][6] = 9.0, None, []
        table["cam2world"][1], table["cam2world"][2][0][0] = [], 5.0
        table["width"][3], table["file_path"][4] = 7, "images_train/absent.png"

    said = _break(tmp_path / "out", change)
    words = (
        "near is 9",
        "lossmult",
        "pix2cam",
        "list of 4 rows",
        "not rigid",
        "gives 7×",
    )
    assert all(word in said for word in words)
    assert said.count("\n") - said.count("\n    try: ") == len(words) - 1, "nothing is made up"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", ["missing", None, 7, [], "x", [None] * 8, [1e300] * 8, [-(2**70)] * 8, [{}] * 8])
def test_any_value_of_any_key_is_read_or_named(small, tmp_path, key, value):
    convert(small, tmp_path / "out", n_down=2)
    file = tmp_path / "out" / "metadata.json"
    table = json.loads(file.read_text())
    if value == "missing":
        del table["train"][key]
    else:
        table["train"][key] = value
    file.write_text(json.dumps(table))
    try:
        assert len(parse(tmp_path / "out").cameras)
    except DatasetError as error:
        assert key in str(error) or "file_path" in str(error) or "train" in str(error) or "metadata" in str(error)
