"""`radfield export`: short options stand for options of the exporter, and a folder gets the exporter's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.cli.main import main


class Opened:
    """Stands for a run."""


@pytest.mark.parametrize(
    ("out", "target"), [(None, None), ("a/b.obj", "a/b.obj"), ("new/", "new/mesh.obj"), ("new", "new.obj")]
)
def test_short_options_and_the_path_reach_the_exporter(
    out: str | None, target: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    calls = []
    (tmp_path / "config.toml").write_text('method = "tiny-nerf"\ndata = "synthetic"\n')

    def export(trained, choice, path):
        calls.append((choice.component.name, choice.config.resolution, choice.config.format, path))
        return [Path("x.obj"), Path("x.obj.json")]

    monkeypatch.setattr("radfield_core.runs.exporting.export", export)
    monkeypatch.setattr("radfield_core.runs.trained.open_run", lambda path, device, data: Opened())
    words = ["--format", "obj", "--resolution", "32", *([] if out is None else ["--out", out])]
    assert main(["export", str(tmp_path), *words]) == 0
    assert calls == [("mesh", 32, "obj", None if target is None else Path(target))]
    assert capsys.readouterr().out == "x.obj\nx.obj.json\n"


def test_an_unknown_exporter_is_answered_with_the_nearest(tmp_path: Path, capsys) -> None:
    assert main(["export", str(tmp_path), "--exporter", "mehs"]) in (2, 69)
    assert "mesh" in capsys.readouterr().err.partition("try: ")[2]


def test_an_exporter_that_does_not_fit_the_run_is_refused_before_it_is_opened(tmp_path, capsys, monkeypatch) -> None:
    (tmp_path / "config.toml").write_text('method = "tiny-nerf"\ndata = "synthetic"\n')
    monkeypatch.setattr("radfield_core.runs.trained.open_run", None)
    assert main(["export", str(tmp_path), "--exporter", "sdf-slices"]) == 2
    assert "does not provide sdf, which exporter 'sdf-slices' needs" in capsys.readouterr().err
