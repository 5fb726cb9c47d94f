"""What is fuzzed: for each format a small valid example, the files to damage, and the code that reads them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from radfield_core.cli.main import main
from radfield_core.config.layers import compose, compose_part
from radfield_core.config.sniff import recognize
from radfield_core.data.image_files import ImageFault, decode, read_header
from radfield_core.errors import DatasetError, RadfieldError
from radfield_core.files.arrays import read_npy, read_npz
from radfield_core.inspection.report import inspect
from radfield_core.plugin import load_of
from radfield_core.plugins.registry import get_registry
from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint_names import list_steps
from radfield_core.runs.folder import RunFolder, find_run
from radfield_core.runs.listing import facts
from radfield_core.testing import apply_byte_edits, apply_value_edits, toy_capture
from radfield_core.testing.fuzzing import random_byte_edits, random_value_edits
from radfield_core.testing.training import toy_trainer
from radfield_core.train.log import TrainingLog

BUG = 70
"""The exit code of a fault of the program, which must never come."""


class Fault(Exception):
    """The program answered in a way that it never should."""


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        name: the format.
        files: the files to damage, one per case.
        read: reads the damaged example. It may raise RadfieldError, and nothing else.
        after: called with the damaged file before it is read, such as to sign a checkpoint again.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], object]
    after: Callable[[Path], None] = field(default=lambda path: None)


def damaged(path: Path, whole: bytes, draw: random.Random) -> bytes:
    """Return the content of a file with a few edits: of its bytes, of its JSON values, or of an array in an archive."""
    if path.suffix == ".json" and draw.random() < 0.6:
        return json.dumps(apply_value_edits(json.loads(whole), random_value_edits(draw))).encode()
    if path.suffix == ".npz" and draw.random() < 0.6:
        return _with_damaged_member(whole, draw)
    if path.suffix == ".spz" and draw.random() < 0.6:
        return gzip.compress(apply_byte_edits(gzip.decompress(whole), random_byte_edits(draw)))
    return apply_byte_edits(whole, random_byte_edits(draw))


def _with_damaged_member(whole: bytes, draw: random.Random) -> bytes:
    """Return an archive in which one array is damaged. Its checksum is right, so that the array is read."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(result, "w", draw.choice((0, 8))) as written:
        chosen = draw.choice(archive.namelist())
        for name in archive.namelist():
            data = archive.read(name)
            written.writestr(name, apply_byte_edits(data, random_byte_edits(draw)) if name == chosen else data)
    return result.getvalue()


def targets(folder: Path) -> list[Target]:
    """Make the examples of all formats below a folder, and return what is fuzzed."""
    return [
        *_data_sets(folder / "data"),
        *_files_of_data_sets(folder / "files"),
        *_configs(folder / "configs"),
        *_runs(folder / "runs"),
        *_meshes(folder / "meshes"),
        *_splats(folder / "splats"),
    ]


def _data_sets(folder: Path) -> list[Target]:
    """Every dataparser of the project that has a writer, and those of formats that are made by hand."""
    folder.mkdir(parents=True)
    found = []
    for part in get_registry().components:
        if part.kind != "dataparser" or part.writer is None or not part.distribution.startswith("radfield-"):
            continue
        root = folder / part.name
        root.mkdir()
        provides = part.provides
        scene = toy_capture(6, size=(8, 6), forward="ndc" in provides, masks="masks" in provides)
        load_of(part, part.writer)({"train": scene, "test": scene}, root)
        found.append(_data_set(part.name, root))
    for name, make in (("tiny-nerf", _tiny_nerf), ("blender-multiscale", _multiscale), ("colmap", _colmap_text)):
        root = folder / f"{name}-by-hand"
        found.append(_data_set(name, make(root)))
    return found


def _data_set(name: str, root: Path) -> Target:
    files = tuple(sorted(path for path in root.rglob("*") if path.is_file())) if root.is_dir() else (root,)
    described = tuple(path for path in files if path.suffix not in (".png", ".jpg"))
    pictures = tuple(path for path in files if path.suffix in (".png", ".jpg"))[:3]

    def read() -> object:
        with contextlib.suppress(RadfieldError):
            recognize(get_registry(), root)
        choice = compose_part(get_registry(), "dataparser", name, [f"root={root}"])
        reports = inspect(choice.load()(choice.config), True)
        if problems := [problem for report in reports for problem in report.problems]:
            raise DatasetError(problems=problems)
        return reports

    return Target(f"data set {name}", (*described * 3, *pictures), read)


def _tiny_nerf(root: Path) -> Path:
    poses = np.tile(np.eye(4, dtype=np.float32), (5, 1, 1))
    poses[:, :3, 3] = np.random.default_rng(0).normal(size=(5, 3))
    file = root.with_suffix(".npz")
    np.savez(file, images=np.zeros((5, 6, 8, 3), np.float32), poses=poses, focal=np.float64(9.0))
    return file


def _multiscale(root: Path) -> Path:
    poses = [np.eye(4).tolist()] * 4
    table: dict[str, Any] = {}
    for split in ("train", "val", "test"):
        (root / split).mkdir(parents=True)
        names = [f"{split}/{n}.png" for n in range(4)]
        for n, name in enumerate(names):
            Image.new("RGBA", (8 >> n % 2, 8 >> n % 2)).save(root / name)
        sizes = [8 >> n % 2 for n in range(4)]
        table[split] = {
            "file_path": names, "cam2world": poses, "width": sizes, "height": sizes, "focal": [9.0] * 4,
            "label": [n % 2 for n in range(4)], "near": [2.0] * 4, "far": [6.0] * 4, "lossmult": [1.0] * 4,
            "pix2cam": [np.eye(3).tolist()] * 4,
        }  # fmt: skip
    (root / "metadata.json").write_text(json.dumps(table))
    return root


def _colmap_text(root: Path) -> Path:
    model = root / "sparse" / "0"
    model.mkdir(parents=True)
    (root / "images").mkdir()
    (model / "cameras.txt").write_text("# by hand\n1 OPENCV 8 6 9 9 4 3 0.01 0 0 0\n2 SIMPLE_RADIAL 8 6 9 4 3 0.1\n")
    lines, points = [], []
    for n in range(1, 6):
        Image.new("RGB", (8, 6)).save(root / "images" / f"{n}.png")
        lines += [f"{n} 1 0 0.{n} 0 {n} 0 2 {1 + n % 2} {n}.png", f"4.5 3.5 {n} 1 1 -1"]
        points.append(f"{n} 0.{n} 0.2 0.3 1 2 3 0.5 {n} 0")
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    (model / "points3D.txt").write_text("\n".join(points) + "\n")
    return root


def _files_of_data_sets(folder: Path) -> list[Target]:
    """Images in each format that is read, and arrays."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 4), dtype=np.uint8)
    gray = (np.arange(192, dtype=np.uint16) * 300).reshape(12, 16)
    made = {"a.png": Image.fromarray(pixels), "b.jpg": Image.fromarray(pixels[..., :3]),
            "c.webp": Image.fromarray(pixels), "d.tif": Image.fromarray(pixels[..., :3]),
            "e.png": Image.fromarray(gray),
            "f.tif": Image.fromarray(gray.astype(np.float32)), "g.gif": Image.fromarray(pixels[..., 0])}  # fmt: skip
    found = []
    for name, image in made.items():
        image.save(folder / name)
        found.append(Target(f"image {name[2:]}", (folder / name,), partial(_image, folder / name)))
    np.save(folder / "a.npy", np.ones((3, 4)))
    np.savez_compressed(folder / "a.npz", x=np.ones((3, 4)), y=np.arange(3))
    found.append(Target("npy", (folder / "a.npy",), lambda: read_npy(folder / "a.npy")))
    found.append(Target("npz", (folder / "a.npz",), lambda: read_npz(folder / "a.npz", ["x", "y"])))
    return found


def _image(path: Path) -> None:
    with contextlib.suppress(ImageFault):
        read_header(path)
        decode(path, 3)


def _configs(folder: Path) -> list[Target]:
    """Config files, and words of the command line. They go through the program, whose exit code is checked."""
    folder.mkdir(parents=True)
    found = []
    for method in ("nerf", "neus", "ngp-small"):
        file = folder / f"{method}.toml"
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            assert main(["config", "show", "--method", method, "data.type=synthetic"]) == 0
        file.write_text(shown.getvalue())
        found.append(Target("config", (file,), partial(run_program, "config", "validate", str(file))))
    words = folder / "words.txt"
    words.write_text("trainer.max_steps=9\nfield.width=64\nscene.radius=1.5\nfield.encoding=hash\ndata.type=synthetic")
    found.append(Target("words", (words,), lambda: _words(words)))
    return found


def _words(file: Path) -> None:
    text = file.read_bytes().decode("utf-8", "surrogateescape").replace("\0", "")
    run_program("config", "show", "--method", "nerf", *(word for word in text.split("\n") if not word.startswith("-")))


def run_program(*words: str) -> None:
    """Run a command of the program. Raise Fault if it ends with the code of a bug, or prints control characters."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    text = out.getvalue() + err.getvalue()
    if code == BUG or "Traceback" in text:
        raise Fault(f"exit code {code}: {text[-500:]}")
    if code != 0 and not err.getvalue().startswith(("error: ", "warning: ")):
        raise Fault(f"exit code {code} without an error: {text[-500:]}")
    if not text.replace("\n", "").isprintable():
        raise Fault(f"control characters were printed: {text[-500:]!r}")


def sign(path: Path) -> None:
    """Write a manifest that holds for the files of a checkpoint, as a stranger can."""
    folder = path.parent
    files = {
        file.name: {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in sorted(folder.iterdir())
        if file.name != "MANIFEST.json"
    }

    def canonical(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    whole = {"files": files, "sha256": hashlib.sha256(canonical(files)).hexdigest()}
    (folder / "MANIFEST.json").write_bytes(canonical(whole))


def _runs(folder: Path) -> list[Target]:
    """Checkpoints, signed and not, and the other files of a run folder."""
    run = RunFolder(folder / "toy")
    trainer = toy_trainer(run.path, max_steps=2)
    trainer.train()
    (path,) = list_steps(run.checkpoints)
    files = tuple(sorted(path.iterdir()))
    options = ["data.type=synthetic", "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1",
               "trainer.max_steps=2", "trainer.n_rays=8", "trainer.device=cpu", "field.width=8"]  # fmt: skip
    real = folder / "real"
    run_program("train", "--method", "tiny-nerf", "--out", str(real), "-q", *options)
    (last,) = list_steps(real / "checkpoints")

    def resume() -> None:
        state, _, _ = checkpoint.newest(run.checkpoints)
        if state is not None:
            trainer.restore(state)
            trainer._train_step()

    def read_folder() -> None:
        found, _ = find_run(real)
        with contextlib.suppress(RadfieldError):
            compose(get_registry(), file=found.config)
        with contextlib.suppress(RadfieldError):
            found.stored_plugins()
        with contextlib.suppress(RadfieldError):
            found.left_out()
        facts(real)
        TrainingLog(found, trainer.config, quiet=True).resume(trainer.counters)

    inside = tuple(sorted(path for path in real.iterdir() if path.is_file() and path.name != ".lock"))
    return [
        Target("checkpoint", files, resume),
        Target("signed checkpoint", tuple(p for p in files if p.name not in ("MANIFEST.json", "FORMAT")), resume, sign),
        Target("run folder", inside, read_folder),
        Target(
            "eval of a run",
            (*inside, *sorted(last.iterdir())),
            lambda: run_program("eval", str(real), "-q"),
            lambda path: sign(path) if path.parent == last and path.name not in ("MANIFEST.json", "FORMAT") else None,
        ),
    ]


def _meshes(folder: Path) -> list[Target]:
    """References of metrics, in each format that is read."""
    import trimesh
    from radfield_mesh.reading import read_mesh

    folder.mkdir(parents=True)
    ball = trimesh.creation.icosphere(subdivisions=1)
    found = []
    for name in ("a.ply", "b.obj", "c.stl", "d.glb"):
        ball.export(folder / name)
        found.append(Target(f"mesh {name[2:]}", (folder / name,), partial(read_mesh, folder / name)))
    ball.export(folder / "e.ply", encoding="ascii")
    found.append(Target("mesh ply text", (folder / "e.ply",), lambda: read_mesh(folder / "e.ply")))
    return found


def _splats(folder: Path) -> list[Target]:
    """Files of Gaussians, in each format."""
    import torch
    from radfield_splat import Gaussians, read_splats, write_splats

    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(0)
    shapes = ((20, 3), (20, 3), (20, 4), (20,), (20, 9, 3))
    gaussians = Gaussians(*(torch.randn(*shape, generator=draw) for shape in shapes))
    for name in ("a.ply", "b.splat", "c.spz"):
        write_splats(folder / name, gaussians)
    return [
        Target(f"splats {path.suffix}", (path,), partial(read_splats, path))
        for path in (folder / "a.ply", folder / "b.splat", folder / "c.spz")
    ]
