"""Laws of dataparsers and converters, on the example that their author supplies."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import attrs
import torch

from radfield_core.config.structure import options_of
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_points
from radfield_core.errors import DatasetError, NoSuchSplit, RadfieldError
from radfield_core.interfaces import Converter, DataParser
from radfield_core.plugin import load_of
from radfield_core.rays import pixel_rays
from radfield_core.testing.captures import ray_difference, toy_capture
from radfield_core.testing.law import Broken, expect, law
from radfield_core.testing.soundness import assert_sound
from radfield_core.testing.subject import Example, NeedsExample, Subject


def _example(subject: Subject) -> Example:
    if subject.example is None:
        if subject.kind == "dataparser" and "root" not in _names(subject):
            return Example(Path("."))
        if subject.component.writer is not None:
            return Example(_written(subject, subject.folder / "example", _capture(subject)))
        raise NeedsExample(
            f"{subject.component.key} reads files, so its laws need some",
            hint="conformance(…, example=make) where make(folder) writes a small data set and returns an Example",
        )  # fmt: skip
    place = subject.folder / "example"
    place.mkdir(exist_ok=True)
    return subject.example(place)


def _capture(subject: Subject) -> Scene:
    return toy_capture(forward="ndc" in subject.provides, masks="masks" in subject.provides)


def _written(subject: Subject, place: Path, capture: Scene) -> Path:
    """The folder into which the format's own writer wrote a capture."""
    place.mkdir()
    load_of(subject.component, cast(str, subject.component.writer))({"train": capture}, place)
    return place


def _names(subject: Subject) -> list[str]:
    return [attribute.name for attribute in attrs.fields(options_of(subject.component))]


def _parser(subject: Subject, root: Path | None) -> DataParser:
    options = dict(subject.options)
    if root is not None and "root" in _names(subject):
        options["root"] = str(root)
    choice = subject.choose(subject.component, options)
    return cast(DataParser, choice.load()(choice.config))


def _scenes(subject: Subject) -> tuple[Example, dict[str, Scene]]:
    example = _example(subject)
    parser = _parser(subject, example.root)
    scenes = {}
    for split in parser.splits:
        try:
            scenes[split] = parser.parse(split)
        except NoSuchSplit:
            expect(split != "train", "the example has no training split")
    return example, scenes


@law("dataparser", mend="check what was read before returning it; collect faults in Problems and raise DatasetError")
def scenes_are_sound(subject: Subject) -> None:
    """Every split has as many images as cameras and names, rotations that are rotations, positive focal lengths, near
    before far, a box, and everything finite; images are uint8 and as large as the camera says."""
    _, scenes = _scenes(subject)
    for split, scene in scenes.items():
        try:
            assert_sound(scene)
        except AssertionError as error:
            raise Broken(f"split {split} is not sound: {error}") from error
        image = scene.images[0]
        width, height = scene.cameras.sizes[0].tolist()
        expect(image.dtype == torch.uint8, f"images are {image.dtype}")
        expect(
            tuple(image.shape[:2]) == (height, width), f"an image is {list(image.shape)}, its camera {width}×{height}"
        )


@law("dataparser", mend="rows first: images are [H, W, C]; gather takes (images, rows, columns)")
def the_known_pixel_is_there(subject: Subject) -> None:
    """The pixel that the example names has its color, by indexing and by gather; all pixels agree between the two."""
    example, scenes = _scenes(subject)
    scene = scenes["train"]
    view, row, column = example.pixel
    image = scene.images[view]
    if example.color:
        found = tuple(image[row, column].tolist())
        expect(found == example.color, f"pixel {example.pixel} is {found}, the example says {example.color}")
    height, width = image.shape[:2]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.reshape(-1), columns.reshape(-1)
    gathered = scene.images.gather(torch.full_like(rows, view), rows, columns)
    expect(torch.equal(gathered, image[rows, columns]), "gather and indexing give different pixels")


@law(
    "dataparser",
    mend="c2w in OpenGL axes (x right, y up, z back); to_data takes scene coordinates back to the data's own",
)
def the_known_ray_is_there(subject: Subject) -> None:
    """The example's pixel looks from where, and to where, the example says, in the data's own coordinates: neither axes
    nor transposes nor half pixels went wrong. Without a known ray, depth of the ground truth must agree with it."""
    example, scenes = _scenes(subject)
    scene = scenes["train"]
    view, row, column = (torch.tensor([n]) for n in example.pixel)
    rays = pixel_rays(replace(scene, ndc=False), view, row, column, torch.float64)
    origin = transform_points(scene.to_data, rays.origins)[0]
    ahead = transform_points(scene.to_data, rays.origins + rays.viewdirs)[0]
    direction = torch.nn.functional.normalize(ahead - origin, dim=0)
    for name, found, known in (("origin", origin, example.origin), ("direction", direction, example.direction)):
        if known is not None:
            difference = float((found - torch.tensor(known, dtype=torch.float64)).norm())
            expect(difference < 1e-3, f"its {name} is {found.tolist()}, the example says {list(known)}")
    if scene.depths is not None and scene.ground_truth is not None:
        depth = scene.depths[example.pixel[0]]
        hits = depth.isfinite().nonzero()[::37]
        rays = pixel_rays(scene, torch.full((len(hits),), example.pixel[0]), hits[:, 0], hits[:, 1])
        points = rays.origins + rays.directions * depth[hits[:, 0], hits[:, 1]][:, None]
        nearest = torch.cdist(points, scene.ground_truth.vertices.to(points)).amin(1)
        size = float(scene.ground_truth.vertices.abs().max())
        expect(float(nearest.max()) < 0.1 * size, "points at the true depth do not lie on the true surface")


@law("dataparser", mend="add the word to provides, or leave the attribute of the scene empty")
def what_a_scene_holds_is_declared(subject: Subject) -> None:
    """Masks, depths, points and a true surface that a scene holds are declared, or no part could ask for them; so are
    images."""
    _, scenes = _scenes(subject)
    scene = scenes["train"]
    objects = scene.masks if scene.masks_mean == "object" else None
    held = {"images": scene.images, "masks": objects, "depths": scene.depths, "sparse_points": scene.points,
            "ground_truth_mesh": scene.ground_truth, "ndc": scene.ndc or None}  # fmt: skip
    missing = [word for word, value in held.items() if value is not None and word not in subject.provides]
    expect(not missing, f"held and not declared: {', '.join(missing)}")


@law("dataparser", mend="declare sniff='module:function' that knows its own data by a file's name, and nothing else")
def sniff_knows_its_own(subject: Subject) -> None:
    """sniff gives a reason for the example and None for an empty folder, a missing path and a text file: `--data PATH`
    finds the format."""
    if "root" not in _names(subject):
        return
    expect(subject.component.sniff is not None, "it reads files and declares no sniff")
    sniff = load_of(subject.component, cast(str, subject.component.sniff))
    example = _example(subject)
    reason = sniff(example.root)
    expect(isinstance(reason, str) and reason, f"sniff says {reason!r} of its own example")
    empty, text = subject.folder / "empty", subject.folder / "notes.txt"
    empty.mkdir()
    text.write_text("nothing to see\n")
    for path in (empty, text, subject.folder / "missing"):
        expect(sniff(path) is None, f"sniff takes {path.name} for its own")


@law(
    "dataparser",
    mend="raise DatasetError (radfield_core.errors) with path, message and hint; never KeyError, never OSError",
)
def broken_data_is_said_in_words(subject: Subject) -> None:
    """A missing root, an unknown split, and every file of the example cut in half or emptied give a DatasetError or a
    sound scene, never another error."""
    example = _example(subject)
    _refused(subject, example.root if example.root != Path(".") else None, "nowhere")
    if "root" not in _names(subject):
        return
    _refused(subject, subject.folder / "missing", "train")
    files = [example.root] if example.root.is_file() else sorted(p for p in example.root.rglob("*") if p.is_file())
    for number, file in enumerate(files[:12]):
        for share in (0.0, 0.5):
            copy = subject.folder / f"broken-{number}-{share}"
            broken = copy / example.root.name
            if example.root.is_file():
                copy.mkdir()
                shutil.copy(example.root, broken)
                damaged = broken
            else:
                shutil.copytree(example.root, broken)
                damaged = broken / file.relative_to(example.root)
            data = damaged.read_bytes()
            damaged.write_bytes(data[: int(share * len(data))])
            try:
                scene = _parser(subject, broken).parse("train")
                assert_sound(scene)
                scene.images.check()
            except RadfieldError:
                pass
            except Exception as error:
                raise Broken(
                    f"with {file.name} cut to {share:.0%} it raises {type(error).__name__}: {error}"
                ) from error


def _refused(subject: Subject, root: Path | None, split: str) -> None:
    try:
        _parser(subject, root).parse(split)
    except DatasetError:
        return
    except Exception as error:
        raise Broken(f"for split {split!r} of {root} it raises {type(error).__name__}: {error}") from error
    raise Broken(f"split {split!r} of {root} is read as if it were there")


@law(
    "dataparser",
    when=lambda subject: subject.component.writer is not None,
    mend="write what parse reads: axes, units, pixels",
)
def what_is_written_is_read_back(subject: Subject) -> None:
    """A capture that the writer wrote is read back with the same rays in the data's own coordinates."""
    capture = _capture(subject)
    read = _parser(subject, _written(subject, subject.folder / "written", capture)).parse("train")
    expect(len(read.cameras) > 0, "nothing was read back")
    for index, name in enumerate(read.names):
        stand = transform_points(read.to_data, read.cameras.c2w[index, :, 3])
        match = int((capture.cameras.c2w[:, :, 3] - stand).norm(dim=-1).argmin())
        difference = ray_difference(capture, read, capture.names[match], name)
        expect(difference < 1e-4, f"rays of {name} differ by {difference:.3g}")


@law(
    "converter", mend="write into a folder of its own; DatasetError for what cannot be read; the target absent or empty"
)
def conversion_is_whole_or_nothing(subject: Subject) -> None:
    """Every file returned exists below the target; a target with something in it is refused and left alone; a missing
    source is a RadfieldError and leaves no target."""
    example = _example(subject)
    target = subject.folder / "target"
    converter: Converter = subject.build()
    files = converter.convert(example.root, target)
    expect(files, "no file was written")
    for file in files:
        expect(file.is_file() and file.is_relative_to(target), f"{file} is not below the target")
    before = sorted(str(path) for path in target.rglob("*"))
    for source, place in ((example.root, target), (subject.folder / "missing", subject.folder / "other")):
        try:
            subject.build().convert(source, place)
        except RadfieldError:
            continue
        except Exception as error:
            raise Broken(f"it raises {type(error).__name__}: {error}") from error
        raise Broken(f"{source.name} was converted into {place.name}, which it must refuse")
    expect(sorted(str(path) for path in target.rglob("*")) == before, "a target that was not empty was changed")
    expect(not (subject.folder / "other").exists(), "a target was left behind")
