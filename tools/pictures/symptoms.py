"""Pictures of what goes wrong: each symptom is provoked, and shown between the truth and the cure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pictures import sheets
from pictures.methods import NGP
from pictures.studio import Studio

SHORT = "trainer.max_steps=600"
GOOD = ("ngp-short", "ngp-small", SHORT)
"""Options of the mended pictures: the unchanged preset, trained for as many steps as the symptoms."""


def symptom(name: str, preset: str, *options: str) -> Callable[[Studio], None]:
    """A recipe: truth, a run with bad options, and the same preset as it is."""

    def make(studio: Studio) -> None:
        _keep(studio, name, studio.run(name, preset, *options), studio.run(*GOOD))

    return make


def _keep(studio: Studio, name: str, bad: Path, good: Path) -> None:
    shown = [
        ("held-out image", studio.truth(good)),
        (f"symptom, {studio.numbers(bad)['psnr']:.1f} dB", studio.view(bad)),
        ("its depth", studio.view(bad, "depth")),
        (f"mended, {studio.numbers(good)['psnr']:.1f} dB", studio.view(good)),
    ]
    studio.keep(f"symptom-{name}", sheets.row(shown), symptom=bad, mended=good)


def black(studio: Studio) -> None:
    """A ReLU density that is zero everywhere, so that nothing is seen but the background."""
    bad = studio.run("black", "tiny-nerf", "field.density_activation=relu", "field.density_bias=-1", SHORT)
    good = studio.run("tiny-nerf", "tiny-nerf", "trainer.max_steps=4000")
    shown = [
        ("held-out image", studio.truth(good, background="black")),
        (f"symptom, {studio.numbers(bad)['psnr']:.1f} dB", studio.view(bad)),
        (f"mended, {studio.numbers(good)['psnr']:.1f} dB", studio.view(good)),
    ]
    studio.keep("symptom-black", sheets.row(shown), symptom=bad, mended=good)


def fog(studio: Studio) -> None:
    """Opaque images, whose backdrop has no place in the scene's box."""
    data = _changed(studio, "opaque", _backdrop)
    _keep(studio, "fog", studio.run("fog", "ngp-small", "method.background=black", SHORT, data=data), studio.run(*GOOD))


def _backdrop(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        image = Image.open(path, formats=["PNG"])
        backdrop = Image.new("RGBA", image.size, (150, 160, 170, 255))
        Image.alpha_composite(backdrop, image).convert("RGB").save(path)


def axes(studio: Studio) -> None:
    """Poses with OpenCV's axes in a format that has OpenGL's: every camera looks away from the scene."""
    data = _changed(studio, "axes", _turn_axes)
    _keep(studio, "axes", studio.run("axes", "ngp-small", SHORT, data=data), studio.run(*GOOD))
    cameras = []
    for label, folder in (("wrong axes", data), ("right axes", studio.data())):
        out = studio.work / f"inspect-{folder.name}"
        studio.radfield("data", "inspect", folder, "--out", out, "--quiet")
        image = sheets.open_rgb(out / "cameras.png")
        image.thumbnail((420, 420), Image.Resampling.LANCZOS)
        cameras.append((label, image))
    studio.keep("symptom-axes-cameras", sheets.row(cameras))


def _turn_axes(folder: Path) -> None:
    for path in folder.glob("transforms_*.json"):
        transforms = json.loads(path.read_text())
        for frame in transforms["frames"]:
            for row in frame["transform_matrix"][:3]:
                row[1], row[2] = -row[1], -row[2]
        path.write_text(json.dumps(transforms))


def _changed(studio: Studio, name: str, change: Callable[[Path], None]) -> Path:
    """A Blender folder of the scene to which something was done, once."""
    folder = studio.work / name
    if not folder.exists():
        change(studio.data(name))
    return folder


def surface(studio: Studio) -> None:
    """The mesh of a density field at three levels, and the error for one that it never reaches."""
    run = studio.run(*NGP)
    rows = []
    for density in (0.5, 10, 5000):
        file = studio.work / f"density-{density:g}.ply"
        studio.radfield("export", run, "--out", file, "--resolution", "192", "max_faces=40000", f"density={density}")
        rows.append((f"density={density:g}", sheets.mesh_side(file, 200)))
    studio.keep("symptom-surface", sheets.row(rows), run=run)
    print(studio.radfield("export", run, "--out", studio.work / "none.ply", "density=1e9", code=4), end="")


RECIPES: dict[str, Callable[[Studio], None]] = {
    "symptom-black": black,
    "symptom-fog": fog,
    "symptom-floaters": symptom("floaters", "ngp-small", "data.n_train=4", SHORT),
    "symptom-divergence": symptom("divergence", "ngp-small", "method.lr=3", "trainer.max_steps=200"),
    "symptom-blurred": symptom("blurred", "ngp-small", "field.encoding.finest_resolution=24", SHORT),
    "symptom-axes": axes,
    "symptom-surface": surface,
}
