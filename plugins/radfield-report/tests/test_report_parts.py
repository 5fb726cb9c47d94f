"""What a report is made of: escaped text, curves that keep their peaks, pictures of a given size, and a small mesh."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_report import facts, surface
from radfield_report.cameras import MAX_CAMERAS, projected, stage_of
from radfield_report.charts import Chart, charts_of, compared_charts, draw, number, thin
from radfield_report.config import ReportConfig
from radfield_report.embed import encoded_within, webp
from radfield_report.facts import Story
from radfield_report.markup import Html, escaped, table, tag
from radfield_report.surface import Surface
from radfield_report.views import held_out

from radfield_core import open_run
from radfield_core.runs import RunFolder, facts as facts_of_run


def test_text_and_attributes_are_escaped_and_html_is_not() -> None:
    made = tag("p", "<b>&", Html("<i>x</i>"), title='"><script>', data_x="'", hidden=False)
    assert made == '<p title="&quot;&gt;&lt;script&gt;" data-x="&#x27;">&lt;b&gt;&amp;<i>x</i></p>'
    assert escaped("a\x00\u202eb\n") == "a\\x00\\u202eb\\n" and len(escaped("<" * 5000)) < 9000
    assert "<td>&lt;td&gt;</td>" in table(("a", "b"), [("x", "<td>")])


def test_a_thinned_curve_keeps_its_ends_of_range_and_its_order() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    values[[7, 31_000, 49_998]] = 90.0, -90.0, 80.0
    found = thin([(float(step), float(value)) for step, value in enumerate(values)])
    assert len(found) <= 480 and found == sorted(found)
    assert {(7.0, 90.0), (31_000.0, -90.0), (49_998.0, 80.0)} <= set(found)
    assert thin([(1.0, 2.0)]) == [(1.0, 2.0)]


def test_charts_sort_a_log_by_what_it_measures() -> None:
    log = [
        {"step": 1, "loss": 4.0, "loss/rgb": 3.0, "loss/depth": 1.0, "psnr": 10.0, "lr": 1e-2, "seconds": 1},
        {"step": 2, "loss": float("nan"), "loss/rgb": 1e400, "psnr": True, "lr": "x"},
        {"step": 2, "split": "val", "eval": {"psnr": 12.0, "ssim": 0.5}},
        {"step": "3", "loss": 1.0},
        {"loss": 1.0},
    ]
    found = {chart.title: chart.series for chart in charts_of(log)}
    assert found == {
        "loss": {"total": [(1.0, 4.0)], "rgb": [(1.0, 3.0)], "depth": [(1.0, 1.0)]},
        "PSNR, dB": {"training rays": [(1.0, 10.0)], "val views": [(2.0, 12.0)]},
        "SSIM": {"val views": [(2.0, 0.5)]},
        "learning rate": {"lr": [(1.0, 0.01)]},
    }
    assert charts_of([{"step": 1, "loss": 2.0, "loss/rgb": 2.0}])[0].series == {"total": [(1.0, 2.0)]}
    shared = compared_charts({"A": log, "B": [{"step": 5, "loss": 1.0}]})
    assert [(chart.title, list(chart.series)) for chart in shared] == [("loss", ["A", "B"])]


@pytest.mark.parametrize(
    "values", [[1.0], [2.0, 2.0], [0.0, 0.0], [1e-8, 1e8], [-1e250, 1e250], [5e-324, 1e-323], [1e299, -1e299, 0.0]]
)
def test_any_values_can_be_drawn_and_every_point_lies_inside(values: list[float]) -> None:
    for logarithmic in (False, True):
        points = [(float(step), value) for step, value in enumerate(values)]
        made = draw(Chart("x", {"a": points}, logarithmic))
        where = made.partition('points="')[2].partition('"')[0].split()
        for pair in where:
            x, y = map(float, pair.split(","))
            assert 58 <= x <= 410 and 9.9 <= y <= 194.1
        assert len(where) == (len(values) if len(values) > 1 else 0)


def test_the_curve_of_a_line_is_a_line() -> None:
    made = draw(Chart("x", {"a": [(0.0, 1.0), (5.0, 2.0), (10.0, 3.0)]}))
    (first, middle, last) = (
        tuple(map(float, p.split(","))) for p in made.partition('points="')[2].partition('"')[0].split()
    )
    assert first == (58.0, 194.0) and last == (410.0, 10.0)
    assert middle == pytest.approx(((58 + 410) / 2, (194 + 10) / 2), abs=0.1)
    long = draw(Chart("x", {"a": [(float(step), float(step)) for step in range(400)]}))
    assert len(long.partition('points="')[2].partition('"')[0].split()) == 400, "a long curve is not cut off"
    assert number(1234.5) == "1234" and number(-2.5e7) == "-25M" and number(1e12) == "1e+12"


def test_pictures_are_shrunk_together_until_they_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 96, 64, 3), dtype=np.uint8)
    whole = encoded_within(list(noise), 1e9)
    assert [Image.open(BytesIO(one)).size for one in whole] == [(64, 96)] * 9
    limit = sum(map(len, whole)) / 4
    small = encoded_within(list(noise), limit)
    (size,) = {Image.open(BytesIO(one)).size for one in small}
    assert limit / 4 < sum(map(len, small)) <= limit and size[1] / size[0] == pytest.approx(1.5, abs=0.05)
    assert encoded_within([], 10) == [] and webp(noise[0], 0.5)[:4] == b"RIFF"


def test_the_stage_has_every_camera_where_it_is_and_looks_where_it_looks(run_folder: Path) -> None:
    trained = open_run(run_folder)
    stage = stage_of(trained, 1e6)
    assert stage is not None and stage.counts == {"train": 4, "val": 2, "test": 3}
    scale = np.linalg.norm(stage.turn[:, 0])
    by_split = {split: trained.scenes.views(split).cameras for split in stage.counts}
    seen = dict.fromkeys(stage.counts, 0)
    for camera in stage.cameras:
        c2w = by_split[camera["split"]].c2w[seen[camera["split"]]].double().numpy()
        seen[camera["split"]] += 1
        assert np.allclose(camera["at"], scale * c2w[:, 3], atol=2e-4), "the synthetic scene is upright and centered"
        ahead = np.mean(camera["to"], 0) - camera["at"]
        assert np.allclose(ahead / np.linalg.norm(ahead), -c2w[:, 2], atol=2e-3)
        assert 0 <= camera["tile"] < 9
    assert Image.open(BytesIO(stage.atlas)).size == tuple(stage.data()["atlas"]) and MAX_CAMERAS > 9
    assert projected(np.zeros(3), 720, 480) == (360.0, 240.0)


def test_the_worst_views_are_among_those_shown(run_folder: Path) -> None:
    trained = open_run(run_folder)
    names = trained.scenes.views("test").names
    psnr = dict(zip(names, (30.0, 10.0, 20.0), strict=True))
    assert [view.index for view in held_out(trained, ReportConfig(views=1, seconds=1e9)).views] == [1]
    assert [view.index for view in held_out(trained, ReportConfig(views=3), psnr).views] == [0, 1, 2]
    few = held_out(trained, ReportConfig(views=3, seconds=0))
    assert few.split == "test" and len(few.views) == 1 and few.note.startswith("Fewer and smaller")


def test_a_mesh_is_packed_so_that_the_page_finds_its_points_again() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0.5], [0, 2, 0], [0.3, 0.4, -1]])
    colors = np.arange(12, dtype=np.uint8).reshape(4, 3)
    mesh = Surface(vertices, np.array([[0, 1, 2], [0, 2, 3]]), colors, np.array([0.0, 0.1, 0.2, 5.0]))
    data = mesh.data()
    packed = np.frombuffer(base64.b64decode(data["vertices"]), "<u2").reshape(-1, 3)
    assert np.allclose(np.array(data["low"]) + packed / 65535 * data["span"], vertices, atol=3e-5)
    assert np.frombuffer(base64.b64decode(data["faces"]), "<u4").tolist() == [0, 1, 2, 0, 2, 3]
    heat = np.frombuffer(base64.b64decode(data["distances"]), np.uint8).reshape(-1, 3)
    assert heat[0].tolist() == [255, 255, 255] and heat[3].tolist() == [127, 0, 0]
    assert Image.open(BytesIO(mesh.still(60, 40))).size == (60, 40)


def test_distances_to_the_true_surface_are_those_of_a_loop() -> None:
    generator = np.random.default_rng(0)
    vertices, truth = generator.normal(size=(9, 3)) + 100, generator.normal(size=(50, 3)) + 100
    found = surface._distances(vertices, truth)
    expected = [min(np.linalg.norm(vertex - point) for point in truth) for vertex in vertices]
    assert found is not None and np.allclose(found, expected, atol=1e-5)
    assert surface._distances(vertices, None) is None


def test_a_sphere_is_shown_in_the_coordinates_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=2.0)
    sphere.apply_translation([10.0, 0, 0])  # in data coordinates; in the scene, it is the unit sphere at the origin
    sphere.visual.vertex_colors = np.full((len(sphere.vertices), 4), (10, 200, 30, 255), np.uint8)
    (tmp_path / "mesh.ply").write_bytes(sphere.export(file_type="ply"))
    to_data = torch.tensor([[2.0, 0, 0, 10], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    scene = SimpleNamespace(to_data=to_data, ground_truth=None)
    scenes = SimpleNamespace(views=lambda split: scene, get=lambda split: scene)
    monkeypatch.setattr(surface, "compose_part", lambda *_: None)
    monkeypatch.setattr(surface, "export", lambda *_: [tmp_path / "mesh.ply"])
    stage = SimpleNamespace(place=lambda points: 0.25 * points)
    found = surface.surface_of(SimpleNamespace(scenes=scenes), stage, 32)  # type: ignore[arg-type]
    assert found is not None and np.allclose(np.linalg.norm(found.vertices, axis=-1), surface.RADIUS, atol=1e-6)
    assert (found.colors == (10, 200, 30)).all() and found.distances is None and len(found.faces) == len(sphere.faces)


def test_a_video_is_shown_only_if_it_is_one_and_lies_in_the_run(copied: Path, tmp_path: Path) -> None:
    def shown() -> str:
        return facts.turntable_section(Story(RunFolder(copied), facts_of_run(copied), [], {}, {}, []))

    assert shown() == ""
    (copied / "images").mkdir()
    video = copied / "images" / "turntable.mp4"
    video.write_bytes(b"a secret that is no video")
    assert shown() == ""
    video.write_bytes(b"\x00\x00\x00\x20ftypisom")
    assert "data:video/mp4;base64," in shown()
    video.write_bytes(b"\x00\x00\x00\x20ftyp" + bytes(facts.MAX_VIDEO_BYTES))
    assert shown() == ""
    (tmp_path / "outside.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom")
    video.unlink()
    video.symlink_to(tmp_path / "outside.mp4")
    assert shown() == ""


def test_views_are_listed_with_the_worst_first(copied: Path) -> None:
    rows = [{"name": "a", "psnr": 30.0, "ssim": 0.9}, {"name": "b", "psnr": 12.5, "ssim": 0.4}, "x", {"name": "c"}]
    results = {"per_image": rows, "metrics": {"psnr": 21.25}, "split": "test", "step": 3}
    story = Story(RunFolder(copied), facts_of_run(copied), [], results, {}, [])
    assert [row["name"] for row in story.rows] == ["b", "a", "c"]
    made = facts.metrics_table(story, {"b": "view-1"})
    assert made.index('<a href="#view-1">b</a>') < made.index(">a<") < made.index(">c<") < made.index("21.25")
    assert facts.duration(59.96) == "60.0 s" and facts.duration(3661) == "1 h 1 min" and facts.size(2e9) == "2.00 GB"
