"""Laws of dataparsers, checked on the example data set that the test supplies."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_points
from radfield_core.errors import DatasetError, NoSuchSplit, RadfieldError
from radfield_core.plugin import load_of
from radfield_core.rays import pixel_rays
from radfield_core.testing.captures import ray_difference, toy_capture
from radfield_core.testing.examples import example_of, has_root, parser_of, write_capture
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.under_test import Example, PartUnderTest
from radfield_core.testing.valid_scene import assert_valid_scene

MAX_DAMAGED_FILES = 12


def _scenes(tested: PartUnderTest) -> tuple[Example, dict[str, Scene]]:
    """The example data set, and the scene of each of its splits."""
    example = example_of(tested)
    parser = parser_of(tested, example.root)
    scenes = {}
    for split in parser.splits:
        try:
            scenes[split] = parser.parse(split)
        except NoSuchSplit:
            expect(split != "train", "the example has no training split")
    return example, scenes


@law("dataparser", fix="Check values before returning them. Collect all faults in Problems, and raise a DatasetError.")
def scenes_are_valid(tested: PartUnderTest) -> None:
    """Every split has equally many images, cameras and names. Rotations are orthonormal, focal lengths are positive,
    near is less than far, and all values are finite. Images are uint8 and have the size that their camera states."""
    _, scenes = _scenes(tested)
    for split, scene in scenes.items():
        try:
            assert_valid_scene(scene)
        except AssertionError as error:
            raise LawBroken(f"the scene of split {split} is not valid: {error}") from error
        image = scene.images[0]
        width, height = scene.cameras.sizes[0].tolist()
        expect(image.dtype == torch.uint8, f"images are {image.dtype}, not uint8")
        same_size = tuple(image.shape[:2]) == (height, width)
        expect(same_size, f"an image has the shape {list(image.shape)}, but its camera states {width}×{height}")


@law("dataparser", fix="Index rows first: images are [H, W, C], and gather takes (images, rows, columns).")
def example_pixel_has_its_color(tested: PartUnderTest) -> None:
    """The known pixel of the example has the known color. Indexing an image and calling gather give the same pixels."""
    example, scenes = _scenes(tested)
    scene = scenes["train"]
    view, row, column = example.pixel
    image = scene.images[view]
    if example.color:
        found = tuple(image[row, column].tolist())
        expect(found == example.color, f"pixel {example.pixel} is {found}, but the example states {example.color}")
    height, width = image.shape[:2]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.reshape(-1), columns.reshape(-1)
    gathered = scene.images.gather(torch.full_like(rows, view), rows, columns)
    expect(torch.equal(gathered, image[rows, columns]), "gather and indexing give different pixels")


@law(
    "dataparser",
    fix="Return c2w with OpenGL axes (x right, y up, z backward), and to_data from scene to data coordinates.",
)
def example_pixel_has_its_ray(tested: PartUnderTest) -> None:
    """The ray of the example's known pixel has the known origin and direction in the data's own coordinates. This
    detects wrong axes, transposed matrices and shifts by half a pixel. Depth images agree with the true surface."""
    example, scenes = _scenes(tested)
    scene = scenes["train"]
    view, row, column = (torch.tensor([n]) for n in example.pixel)
    rays = pixel_rays(replace(scene, ndc=False), view, row, column, torch.float64)
    origin = transform_points(scene.to_data, rays.origins)[0]
    ahead = transform_points(scene.to_data, rays.origins + rays.viewdirs)[0]
    direction = torch.nn.functional.normalize(ahead - origin, dim=0)
    for name, found, known in (("origin", origin, example.origin), ("direction", direction, example.direction)):
        if known is not None:
            difference = float((found - torch.tensor(known, dtype=torch.float64)).norm())
            expect(difference < 1e-3, f"its {name} is {found.tolist()}, but the example states {list(known)}")
    if scene.depths is not None and scene.ground_truth is not None:
        _check_depths(scene, example.pixel[0])


def _check_depths(scene: Scene, view: int) -> None:
    """Raise LawBroken unless the points at the depths of a view lie on the scene's true surface."""
    assert scene.depths is not None and scene.ground_truth is not None
    depth = scene.depths[view]
    hits = depth.isfinite().nonzero()[::37]
    rays = pixel_rays(scene, torch.full((len(hits),), view), hits[:, 0], hits[:, 1])
    points = rays.origins + rays.directions * depth[hits[:, 0], hits[:, 1]][:, None]
    vertices = scene.ground_truth.vertices.to(points)
    distance = float(torch.cdist(points, vertices).amin(1).max())
    expect(
        distance < 0.1 * float(vertices.abs().max()), f"a point of a depth image is {distance:.3g} off the true surface"
    )


@law("dataparser", fix="Add the capability to `provides`, or do not set the attribute of the scene.")
def scene_contents_are_declared(tested: PartUnderTest) -> None:
    """If a scene has images, masks, depths, normals, points, observations, NDC or a ground-truth mesh, the dataparser
    declares the corresponding capability. Otherwise no other part could require it."""
    _, scenes = _scenes(tested)
    scene = scenes["train"]
    contents = {
        "images": scene.images,
        "masks": scene.masks if scene.masks_mean == "object" else None,
        "depths": scene.depths,
        "normals": scene.normals,
        "observations": scene.observations,
        "sparse_points": scene.points,
        "ground_truth_mesh": scene.ground_truth,
        "ndc": scene.ndc or None,
    }
    missing = [word for word, value in contents.items() if value is not None and word not in tested.provides]
    expect(not missing, f"the scene has these contents, but they are not declared: {', '.join(missing)}")


@law("dataparser", fix="Declare sniff='module:function', a function that recognizes the format by the name of a file.")
def sniff_recognizes_only_its_own_data(tested: PartUnderTest) -> None:
    """sniff(path) recognizes data of this format, so that `--data PATH` finds the format. For the example,
    sniff returns the reason as a text. For an empty folder, a text file or a path that does not exist, sniff returns
    None."""
    if not has_root(tested):
        return
    reference = tested.component.sniff
    expect(reference is not None, "the parser reads files but declares no sniff")
    sniff = load_of(tested.component, reference or "")
    reason = sniff(example_of(tested).root)
    expect(isinstance(reason, str) and reason, f"for the example, sniff returns {reason!r}, not a text with the reason")
    empty, text = tested.folder / "empty", tested.folder / "notes.txt"
    empty.mkdir()
    text.write_text("no data\n")
    for path in (empty, text, tested.folder / "missing"):
        expect(sniff(path) is None, f"sniff recognizes {path.name}, which is not data of this format")


@law("dataparser", fix="Raise DatasetError with path, message and hint instead of a KeyError, ValueError or OSError.")
def broken_data_raises_dataset_error(tested: PartUnderTest) -> None:
    """The parser raises DatasetError if the root is missing or the split is unknown. If a file of the example is empty
    or cut in half, the parser raises DatasetError or returns a valid scene."""
    example = example_of(tested)
    _check_refused(tested, example.root if has_root(tested) else None, "nowhere")
    if not has_root(tested):
        return
    _check_refused(tested, tested.folder / "missing", "train")
    files = [example.root] if example.root.is_file() else sorted(p for p in example.root.rglob("*") if p.is_file())
    for number, file in enumerate(files[:MAX_DAMAGED_FILES]):
        for share in (0.0, 0.5):
            root = _damaged_copy(example.root, file, tested.folder / f"damaged-{number}-{share}", share)
            try:
                scene = parser_of(tested, root).parse("train")
                assert_valid_scene(scene)
                scene.images.check()
            except RadfieldError:
                pass
            except Exception as error:
                message = f"with {file.name} cut to {share:.0%} the parser raises {type(error).__name__}: {error}"
                raise LawBroken(message) from error


def _damaged_copy(root: Path, file: Path, folder: Path, share: float) -> Path:
    """A copy of a data set in which one file keeps only the first `share` of its bytes."""
    copy = folder / root.name
    if root.is_file():
        folder.mkdir()
        shutil.copy(root, copy)
        damaged = copy
    else:
        shutil.copytree(root, copy)
        damaged = copy / file.relative_to(root)
    data = damaged.read_bytes()
    damaged.write_bytes(data[: int(share * len(data))])
    return copy


def _check_refused(tested: PartUnderTest, root: Path | None, split: str) -> None:
    """Raise LawBroken unless the parser raises DatasetError for this root and split."""
    try:
        parser_of(tested, root).parse(split)
    except DatasetError:
        return
    except Exception as error:
        raise LawBroken(f"for split {split!r} of {root} the parser raises {type(error).__name__}: {error}") from error
    raise LawBroken(f"split {split!r} of {root} does not exist, but the parser returns a scene")


@law(
    "dataparser",
    when=lambda tested: tested.component.writer is not None,
    fix="Use the same axes, units and pixel centers in the writer and in the method parse.",
)
def writer_and_parser_agree(tested: PartUnderTest) -> None:
    """If the writer writes a scene and the parser reads it back, the rays in the data's own coordinates are
    unchanged."""
    capture = toy_capture(forward="ndc" in tested.provides, masks="masks" in tested.provides)
    read = parser_of(tested, write_capture(tested, tested.folder / "written", capture)).parse("train")
    expect(len(read.cameras) > 0, "the parser found no camera")
    for index, name in enumerate(read.names):
        center = transform_points(read.to_data, read.cameras.c2w[index, :, 3])
        nearest = int((capture.cameras.c2w[:, :, 3] - center).norm(dim=-1).argmin())
        difference = ray_difference(capture, read, capture.names[nearest], name)
        expect(difference < 1e-4, f"the rays of {name} differ by {difference:.3g}")
