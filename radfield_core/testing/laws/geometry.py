"""Laws of exporters and metrics, on a sphere whose place in the data's coordinates is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radfield_core.data.scene import Mesh, Scene
from radfield_core.errors import RadfieldError
from radfield_core.interfaces import Exporter, Field, Model
from radfield_core.model import LevelLoop
from radfield_core.rays import RaySpace
from radfield_core.testing.law import Broken, expect, law
from radfield_core.testing.subject import Subject
from radfield_core.testing.toy_parts import ToySurface, ToySurfaceConfig
from radfield_core.testing.toys import Blob, Constant, importance, toy_context, volume
from radfield_core.testing.training import toy_scene

RADIUS, SCALE = 0.9, 250.0
PLACE = (1000.0, -400.0, 30.0)


class SoftBall(Blob):
    """A density of 10 at `RADIUS` that falls with the distance from the center."""

    def __init__(self) -> None:
        super().__init__(10.0 * math.exp(RADIUS**2 / (2 * 0.2**2)), 0.2)
        with torch.no_grad():
            self.center.zero_()


def sphere(subject: Subject, scale: float = SCALE) -> tuple[Model, Scene]:
    """A model whose surface is a sphere about the origin of scene coordinates, and a scene that is `scale` times as
    large, turned and elsewhere in the data's own coordinates."""
    needs = subject.requires.get("field", frozenset())
    wants_density = any("density" in need.split("|") and "sdf" not in need.split("|") for need in needs)
    field: Field = SoftBall() if wants_density else ToySurface(ToySurfaceConfig(radius=RADIUS), toy_context())
    with torch.no_grad():
        for name, value in (("radius", RADIUS), ("stretch", 1.0)):
            if hasattr(field, name):
                getattr(field, name).fill_(value)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = scale * turn, torch.tensor(PLACE, dtype=torch.float64)
    scene = replace(toy_scene(), to_data=to_data, unit="mm", up="z", ground_truth=_icosphere(), names=list("abcdef"))
    model = LevelLoop([field], importance(96).eval(), volume(), space=RaySpace.of(scene)).eval()
    return model, replace(scene, points=_icosphere().vertices)


def _icosphere() -> Mesh:
    """The sphere as triangles between circles of latitude."""
    n = 24
    polar, around = torch.linspace(0.0, math.pi, n + 1), torch.arange(2 * n) * (math.pi / n)
    theta, phi = torch.meshgrid(polar, around, indexing="ij")
    unit = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1).reshape(-1, 3)
    faces = []
    for row in range(n):
        for column in range(2 * n):
            a, b = row * 2 * n + column, row * 2 * n + (column + 1) % (2 * n)
            faces += [[a, a + 2 * n, b], [b, a + 2 * n, b + 2 * n]]
    return Mesh(RADIUS * unit, torch.tensor(faces))


def _read(subject: Subject, path: Path) -> tuple[np.ndarray, np.ndarray, Any]:
    """Vertices, faces and, where trimesh read them, the mesh itself."""
    if subject.read is not None:
        vertices, faces = subject.read(path)
        return np.asarray(vertices, np.float64), np.asarray(faces), None
    try:
        import trimesh
    except ImportError as error:
        raise Broken("its files are read with trimesh, which is not installed: pip install trimesh") from error
    loaded: Any = trimesh.load(path, process=False)
    if isinstance(loaded, trimesh.Scene):
        loaded = loaded.to_mesh()
    return np.asarray(loaded.vertices, np.float64), np.asarray(getattr(loaded, "faces", np.zeros((0, 3)))), loaded


def _exported(subject: Subject, folder: str) -> list[Path]:
    exporter: Exporter = subject.build()
    return exporter.export(*sphere(subject), subject.folder / folder / "out")


@law(
    "exporter",
    mend="return every file written; make parent folders; write beside and rename, so that none is half there",
)
def every_file_returned_exists(subject: Subject) -> None:
    """export makes the folders it needs and returns the files it wrote, each with something in it, all where it was
    told."""
    files = _exported(subject, "new/deep")
    expect(files, "no file was returned")
    for file in files:
        expect(file.is_file() and file.stat().st_size > 0, f"{file.name} is not there, or is empty")
        expect(file.is_relative_to(subject.folder / "new"), f"{file} was not asked for there")
    there = {path for path in (subject.folder / "new").rglob("*") if path.is_file()}
    expect(there == set(files), f"written and not returned: {', '.join(p.name for p in there - set(files))}")


@law("exporter", mend="scene.data_points(vertices), or scene.to_data, before writing")
def exports_are_in_the_datas_own_coordinates(subject: Subject) -> None:
    """A sphere of known radius and place in the data's coordinates is written with that radius and place, in the data's
    unit: not in normalized scene coordinates."""
    for file in _exported(subject, "world"):
        vertices, _, _ = _read(subject, file)
        if not len(vertices):
            continue
        place = np.array(PLACE)
        if file.suffix == ".glb":  # turned y-up, as the format prescribes
            place = place[[0, 2, 1]] * (1, 1, -1)
        distance = np.linalg.norm(vertices - place, axis=1)
        found = float(np.median(distance))
        expect(
            abs(found - RADIUS * SCALE) < 0.05 * RADIUS * SCALE,
            f"{file.name}: points lie {found:.4g} from the sphere's center, its radius is {RADIUS * SCALE:.4g}",
        )


@law("exporter", mend="ask the field on a grid that encloses the surface; join the vertices of neighboring cells")
def surfaces_are_watertight(subject: Subject) -> None:
    """A file with faces is closed, has one component, and its faces are wound so that it encloses the volume of the
    sphere; a file without faces is points, which this law leaves alone."""
    for file in _exported(subject, "closed"):
        vertices, faces, _ = _read(subject, file)
        if not len(faces):
            continue
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        expect(bool((counts == 2).all()), f"{file.name}: {int((counts != 2).sum())} edges do not have two faces")
        corners = vertices[faces] - vertices.mean(0)
        enclosed = float(np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)
        expected = 4 / 3 * math.pi * (RADIUS * SCALE) ** 3
        expect(abs(enclosed / expected - 1) < 0.1, f"{file.name} encloses {enclosed:.4g}, the sphere {expected:.4g}")


@law("exporter", "metric", mend="ask the model under no_grad, restore its mode, change no parameter and no buffer")
def the_model_is_left_alone(subject: Subject) -> None:
    """The model has the same parameters, buffers, mode and gradients afterward."""
    model, scene = sphere(subject)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _act(subject, model, scene)
    expect(model.training, "the model is no longer in training")
    same = all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    expect(same, "a parameter or buffer of the model changed")
    expect(all(parameter.grad is None for parameter in model.parameters()), "a parameter has gradients now")


@law("exporter", "metric", mend="seed what is drawn at random; sort what has no order")
def the_same_model_gives_the_same(subject: Subject) -> None:
    """Asked twice, an exporter writes the same bytes and a metric measures the same numbers."""
    model, scene = sphere(subject)
    first, second = _act(subject, model, scene, "first"), _act(subject, model, scene, "second")
    expect(first == second, "the second time something else came out")


@law(
    "exporter",
    when=lambda subject: bool(subject.requires.get("field")),
    mend="raise NoSurface with the range of values",
)
def nothing_to_export_is_said_in_words(subject: Subject) -> None:
    """Of a model that is empty everywhere nothing is written, and a RadfieldError says so."""

    class Nothing(Constant):
        """Density zero everywhere."""

        def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
            return 0.0 * self.sigma * x[:, 0]

    class Far(ToySurface):
        """A surface nobody is near."""

        def sdf(self, x: Tensor) -> Tensor:
            return super().sdf(x) + 100.0

    model, scene = sphere(subject)
    is_density = isinstance(model.main_field, SoftBall)
    empty: Field = Nothing(0.0) if is_density else Far(ToySurfaceConfig(), toy_context())
    model.fields = nn.ModuleList([empty])
    try:
        subject.build().export(model, scene, subject.folder / "empty" / "out")
    except RadfieldError:
        left = [path for path in (subject.folder / "empty").rglob("*") if path.is_file()]
        expect(not left, f"it left {', '.join(path.name for path in left)}")
        return
    except Exception as error:
        raise Broken(f"it raises {type(error).__name__}: {error}") from error
    raise Broken("it wrote a file about nothing")


def _act(subject: Subject, model: Model, scene: Scene, name: str = "once") -> Any:
    part = subject.build()
    folder = subject.folder / name
    if subject.kind == "exporter":
        return [path.read_bytes() for path in part.export(model, scene, folder / "out")]
    folder.mkdir()
    return part.measure(model, scene, None, folder)


@law("metric", mend="return plain numbers, texts, lists and tables: float(x), not tensors or arrays")
def measures_are_json_numbers(subject: Subject) -> None:
    """What is measured is a table that JSON can hold, with at least one finite number in it, and no number that is not
    finite."""
    found = _act(subject, *sphere(subject))
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(f"{error}") from error
    expect(_numbers(found), "no number was measured")


@law("metric", mend="measure distances between points in the data's own coordinates: scene.data_points")
def lengths_are_in_the_datas_unit(subject: Subject) -> None:
    """The same model measured in data three times as large gives numbers three times as large or, where they are no
    lengths, the same; at least one is a length."""
    one = _numbers(_act(subject, *sphere(subject), "one"))
    three = _numbers(_act(subject, *sphere(subject, 3 * SCALE), "three"))
    expect(one.keys() == three.keys(), "the larger data has other measures")
    lengths = 0
    for name, value in one.items():
        if abs(value) < 1e-9 or abs(three[name]) < 1e-9:
            continue
        ratio = three[name] / value
        expect(abs(ratio - 1) < 0.1 or abs(ratio - 3) < 0.3, f"{name} grows by {ratio:.3g} when the data grows by 3")
        lengths += abs(ratio - 3) < 0.3
    expect(lengths, "no measure grows with the data: are they in scene coordinates?")


def _numbers(found: Any, prefix: str = "") -> dict[str, float]:
    if isinstance(found, dict):
        return {k: v for key, value in found.items() for k, v in _numbers(value, f"{prefix}{key}.").items()}
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return {prefix: float(found)}
    return {}
