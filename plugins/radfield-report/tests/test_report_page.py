"""The page of a report: whole without scripts, closed to the world, and alive in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from radfield_report.config import ReportConfig
from radfield_report.observer import NAME, Report
from radfield_report.page import MAX_BYTES, VIEW_BYTES, small_enough
from report_browser import CHROMIUM, opened

from radfield_core import UsageError, compose, get_registry, open_run, train_run
from radfield_core.testing import conformance

test_conforms = conformance("observer:report")

browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
HOSTILE = [
    '<img src=x onerror="alert(1)">', "\"'><script>alert(2)</script>", "</script><svg onload=alert(3)>" + "x" * 300,
    "</title><b>${title} $body</b>", "\u202egnp.exe\x00\x1b[2J",
]  # fmt: skip


def report(*runs: Path, out: Path | None = None, **options: Any) -> Path:
    return Report(ReportConfig(**options)).write(list(runs), out)


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.bodies: dict[str, str] = {}
        self._in = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag

    def handle_data(self, data: str) -> None:
        self.text += data
        self.bodies[self._in] = self.bodies.get(self._in, "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def written(run_folder: Path) -> Path:
    return report(run_folder)


def test_the_report_lies_in_the_folder_of_the_run_and_has_every_section(run_folder: Path, written: Path) -> None:
    assert written == run_folder / NAME and written.stat().st_size < MAX_BYTES
    page = Elements(written)
    assert [section["id"] for section in page.of("section")] == ["cameras", "curves", "views", "time", "options"]
    for text in ("PSNR", "trainer.max_steps", "radfield-core", "preparation", "largest memory of the process"):
        assert text in page.text


def test_without_scripts_both_pictures_of_each_view_are_there_and_the_cameras_are_drawn(written: Path) -> None:
    page = Elements(written)
    pictures = page.of("img")
    assert len(pictures) == 3 * len(["truth", "rendered", "error", "SSIM", "depth"])
    assert all(str(image["src"]).startswith("data:image/webp;base64,UklGR") and image["alt"] for image in pictures)
    titles = re.findall(r"<title>(.*?)</title>", written.read_text(encoding="utf-8"))[1:]
    assert len(titles) == 4 + 2 + 3, "a title for each camera in the still picture"
    assert not page.of("noscript")


def test_the_policy_allows_the_page_its_own_style_and_script_and_nothing_else(written: Path) -> None:
    page = Elements(written)
    (policy,) = (each["content"] for each in page.of("meta") if each.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    text = written.read_text(encoding="utf-8")
    for rule, element in (("style-src", "style"), ("script-src", "script")):
        (body,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        assert rules.pop(rule) == f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "media-src": "data:", "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip
    outside = [value for _, each in page.found for key, value in each.items() if key in ("src", "href")]
    assert all(re.match("data:|#", str(value)) for value in outside)
    assert not any(key.startswith("on") or key == "style" for _, each in page.found for key in each)


@browser
def test_in_a_browser_the_slider_and_the_cameras_move_and_nothing_is_requested(written: Path) -> None:
    with opened(written) as page:
        page.wait_for("document.querySelectorAll('.view3d canvas').length === 1")
        box = "article .slider"
        before = page.picture(box)
        page.drag(f"{box} input", -80)
        at = page.value(f"document.querySelector({box!r}).style.getPropertyValue('--at')")
        assert float(at.rstrip("%")) < 50 and page.picture(box) != before
        drawn = [page.picture(".view3d canvas")]
        page.drag(".view3d canvas", 120, 40)
        drawn.append(page.picture(".view3d canvas"))
        page.value("document.querySelector('.view3d canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: -300}))")
        drawn.append(page.picture(".view3d canvas"))
        page.value("document.querySelector('input[data-split=train]').click()")
        drawn.append(page.picture(".view3d canvas"))
        page.value("document.querySelector('.view3d canvas').dispatchEvent(new MouseEvent('dblclick'))")
        assert len({*drawn, page.picture(".view3d canvas")}) == 5
        assert (page.errors, page.requests, page.dialogs) == ([], [], [])


@pytest.fixture
def hostile(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose views, metrics, options and warnings have hostile names."""
    scenes = type(open_run(copied).scenes)
    views = scenes.views

    def renamed(self: Any, split: str) -> Any:
        scene = views(self, split)
        names = [HOSTILE[i % len(HOSTILE)] for i in range(len(scene.cameras))]
        return replace(scene, names=names, notes=HOSTILE, unit=HOSTILE[0])

    monkeypatch.setattr(scenes, "views", renamed)
    rows = [{"name": name, "psnr": 20.0 + i, name: float("inf")} for i, name in enumerate(HOSTILE)]
    results = {"metrics": dict.fromkeys(HOSTILE, 1.0), "per_image": rows, "split": HOSTILE[0], "step": HOSTILE[1]}
    (copied / "results.json").write_text(json.dumps(results).replace("Infinity", "1e999"))
    entries = [
        {"step": 31, "loss": 1.0, **dict.fromkeys(HOSTILE, 2.0)},
        {"step": 32, "eval": dict.fromkeys(HOSTILE, 3.0)},
    ]
    with (copied / "metrics.jsonl").open("a") as log:
        log.writelines(json.dumps(entry) + "\n" for entry in [*entries, {"step": "x"}, {"step": 1e400, "loss": []}])
    training = {
        "warnings": HOSTILE,
        "seconds": dict.fromkeys(HOSTILE, 1.0),
        "memory": {HOSTILE[0]: 1},
        "end": HOSTILE[1],
    }
    (copied / "training.json").write_text(json.dumps({"trainings": [training]}))
    (copied / "plugins.json").write_text(json.dumps(dict.fromkeys(HOSTILE, HOSTILE[1])))
    return copied


def test_hostile_names_stay_text(hostile: Path, tmp_path: Path) -> None:
    pages = report(hostile), report(hostile, hostile, out=tmp_path / "both.html")
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert "<img src=x" not in text and "alert(2)</script>" not in text and "\u202e" not in text
        assert text.lower().count("<script") == 2 and "onload=alert" in html.unescape(text)
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; the text of the pages is as it should be")
    for path in pages:
        with opened(path) as page:
            page.wait_for("document.documentElement.classList.contains('js')")
            assert page.value("document.querySelectorAll('[onerror], [onload], iframe, object').length") == 0
            assert page.value("document.body.innerText").count("<img src=x onerror=") >= 3
            wide = page.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, "a name of 300 characters is wrapped"
            assert (page.errors, page.requests, page.dialogs) == ([], [], [])


def test_a_run_without_a_checkpoint_is_reported_with_its_log_and_the_reason(copied: Path) -> None:
    for path in (copied / "checkpoints").glob("step-*/model.safetensors"):
        path.write_bytes(b"damaged")
    page = Elements(report(copied))
    assert [section["id"] for section in page.of("section")] == ["warnings", "curves", "time", "options"]
    assert "The model could not be loaded" in page.text


def test_a_page_that_is_too_large_is_made_again_with_smaller_pictures() -> None:
    asked: list[float] = []

    def made(limit: float) -> bytes:
        asked.append(limit)
        return bytes(MAX_BYTES + 1 if limit > VIEW_BYTES / 4 else 10)

    assert len(small_enough(made)) == 10
    assert asked == [VIEW_BYTES, VIEW_BYTES / 2, VIEW_BYTES / 8]


def test_a_comparison_has_the_same_views_side_by_side_and_what_differs(
    copied: Path, run_folder: Path, tmp_path: Path
) -> None:
    config = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(config.replace("n_rays = 64", "n_rays = 65"))
    path = report(run_folder, copied, out=tmp_path / "compared.html", views=2)
    page = Elements(path)
    assert [section["id"] for section in page.of("section")] == ["results", "curves", "views", "options"]
    assert len(page.of("article")) == 2 and len(page.of("img")) == 2 * (3 + 2), "truth, A, B, and the errors of A and B"
    assert re.search(r"trainer\.n_rays\s*64\s*65", page.text)
    with pytest.raises(UsageError, match="needs a file"):
        report(run_folder, copied)


def test_the_observer_writes_the_report_when_training_has_ended(tmp_path: Path) -> None:
    words = ["data.type=synthetic", "data.resolution=12", "data.n_train=2", "data.n_val=1", "data.n_test=1"]
    words += ["trainer.max_steps=1", "trainer.n_rays=8", "trainer.device=cpu", "field.width=8", "observers.page=report"]
    run = compose(get_registry(), method="tiny-nerf", overrides=[*words, "observers.page.views=0"]).run
    folder = train_run(run, out=tmp_path / "run", quiet=True).folder
    page = Elements(folder / NAME)
    assert not page.of("article") and "cameras" in [section["id"] for section in page.of("section")]


def test_a_signal_leaves_no_time_for_a_report(tmp_path: Path) -> None:
    observer = Report(ReportConfig())
    observer._folder = tmp_path
    observer.finished(3, "signal")
    assert not (tmp_path / NAME).exists()
