"""Pictures of every method and of what each verb writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from PIL import Image

from pictures import pages, sheets
from pictures.studio import IMAGES, SCENE, Studio


def method(name: str, preset: str, *options: str, background: str = "white") -> Callable[[Studio], None]:
    """A recipe: truth, rendering, depth and perhaps normals of a preset after some seconds of training."""

    def make(studio: Studio) -> None:
        run = studio.run(name, preset, *options)
        kinds = [("rendering", "rgb"), ("depth", "depth")]
        if list((run / "images").glob("*_normals.png")):
            kinds.append(("normals", "normals"))
        shown = [(label, studio.view(run, kind)) for label, kind in kinds]
        studio.keep(name, sheets.row([("held-out image", studio.truth(run, background=background)), *shown]), run=run)

    return make


def mesh(studio: Studio) -> None:
    """The surface that neus-fast learned, from four sides."""
    run = studio.run(*NEUS)
    file = studio.work / "neus.ply"
    studio.radfield("export", run, "--out", file, "--resolution", "256", "max_faces=40000")
    print(studio.radfield("eval", run, "--metric", "chamfer"), end="")
    studio.keep("mesh", sheets.mesh_sides(file), run=run)


def turntable(studio: Studio) -> None:
    """A video around the scene."""
    run = studio.run(*NGP)
    out = studio.work / "turntable"
    studio.radfield("render", run, "--views", "0", "--path", "turntable", "--frames", "24", "--out", out, "--quiet")
    studio.note(sheets.save_animation(out / "turntable.mp4", IMAGES / "turntable.webp"), run=run)


def report(studio: Studio) -> None:
    """The top of the report of a run, and a held-out view and the surface of it in dark colors."""
    run = studio.run(*NEUS)
    page = studio.work / "report.html"
    studio.radfield("report", run, "--with", "mesh", "views=1", "--out", page, "--quiet")
    for name, top, height, dark in (("report", 0, 1500, False), ("report-dark", 2400, 1950, True)):
        image = pages.screenshot(page, 1120, top + height, dark=dark).crop((0, top, 1120, top + height))
        image.thumbnail((840, 1500), Image.Resampling.LANCZOS)
        studio.keep(name, image, run=run)


def viewer(studio: Studio) -> None:
    """The page of the viewer in Chromium, with the cameras of the scene, as the benchmark of the viewer leaves it."""
    run, file = studio.run(*NGP), studio.work / "viewer.png"
    script = IMAGES.parents[1] / "benchmarks" / "viewer.py"
    words = [sys.executable, str(script), str(run), "--chromium", str(pages.browser()), "--side", "512", "--picture"]
    subprocess.run([*words, str(file)], check=True, stdout=subprocess.DEVNULL, env=studio.environment)
    studio.keep("viewer", sheets.open_rgb(file), run=run)


def inspection(studio: Studio) -> None:
    """Draw the sheets of `radfield data inspect`."""
    out = studio.work / "inspect"
    studio.radfield("data", "inspect", studio.data(), "--out", out, "--quiet")
    for name in ("cameras", "images"):
        image = sheets.open_rgb(out / f"{name}.png")
        image.thumbnail((720, 720), Image.Resampling.LANCZOS)
        studio.keep(f"inspect-{name}", image)


def learning_curve(studio: Studio) -> None:
    """PSNR against seconds, with the compiled kernels and with the plain torch definitions."""
    lines = []
    for backend, steps, every in (("numba", "1000", "100"), ("torch", "300", "30")):
        out = studio.work / f"bench-{backend}"
        file = out / "ngp-small-synthetic.json"
        if not file.exists():
            studio.radfield("bench", "run", "--method", "ngp-small", "--data", "synthetic", "--every", every,
                            "--views", "2", "--out", out, *SCENE, f"trainer.max_steps={steps}",
                            RADFIELD_BACKEND=backend)  # fmt: skip
        points = json.loads(file.read_text())["curve"]
        lines.append((backend, [point["cpu_seconds"] for point in points], [point["psnr"] for point in points]))
        if backend == "numba":
            studio.keep("bench-run", sheets.open_rgb(file.with_suffix(".png")))
    studio.keep("slow", sheets.curves(lines, "ngp-small on the synthetic scene, one thread"))


NEUS = ("neus-fast", "neus-fast", "data.min_elevation=-40")
NGP = ("ngp-small", "ngp-small", "trainer.max_steps=2500")

RECIPES: dict[str, Callable[[Studio], None]] = {
    "tiny-nerf": method("tiny-nerf", "tiny-nerf", "trainer.max_steps=4000", background="black"),
    "nerf-small": method("nerf-small", "nerf-small", "trainer.max_steps=1500"),
    "mipnerf-small": method("mipnerf-small", "mipnerf-small", "trainer.max_steps=2500"),
    "ngp-small": method(*NGP),
    "ngp-capture": method("ngp-capture", "ngp-capture", "trainer.max_steps=1500", background="black"),
    "neus-fast": method(*NEUS),
    "mesh": mesh,
    "report": report,
    "viewer": viewer,
    "turntable": turntable,
    "inspection": inspection,
    "learning-curve": learning_curve,
}
