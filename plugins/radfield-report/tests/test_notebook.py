"""Curves and pictures in a cell of a notebook, with a display that remembers what it was given."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from radfield_report.config import NotebookConfig
from radfield_report.notebook import MOST_POINTS, Notebook

from conftest import SMALL
from radfield_core import compose, get_registry, train_run
from radfield_core.runs import curve
from radfield_core.testing import conformance

test_conforms = conformance("observer:notebook")


class Cell:
    """The display of a cell: what was shown first, and each update."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def display(self, shown: Any, display_id: bool) -> Cell:
        assert display_id
        self.shown.append(shown)
        return self

    def update(self, shown: Any) -> None:
        self.shown.append(shown)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A notebook that this program runs in."""
    found, ipython, display = Cell(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = object  # type: ignore[attr-defined]
    display.display = found.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return found


def test_the_cell_follows_a_training(cell: Cell, tmp_path: Path) -> None:
    words = [*SMALL, "observers.n=notebook", "observers.n.every=0"]
    out = tmp_path / "<b>'run'"
    train_run(compose(get_registry(), method="tiny-nerf", overrides=words).run, out=out, quiet=True)
    pages = [shown._repr_html_() for shown in cell.shown]
    assert len(pages) >= 1 + 15 + 1, "at the start, at every logged step, and at the end"
    assert "step 0 of 30" in pages[0] and "polyline" not in pages[0] and "<img" not in pages[0]
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in log if "loss" in row]
    assert len(rows) == 15 and curve(rows, "loss", "loss") in pages[-1] and curve(rows, "psnr", "PSNR, dB") in pages[-1]
    last = next(row for row in reversed(log) if "eval" in row)
    assert f"{last['split']} at step 30: psnr {last['eval']['psnr']:.4g}" in pages[-1]
    assert "ended by max_steps" in repr(cell.shown[-1])
    assert "&lt;b&gt;&#x27;run&#x27;" in pages[-1] and "<b>" not in pages[-1]
    source = re.search('src="data:image/webp;base64,([^"]*)"', pages[-1])[1]
    assert Image.open(io.BytesIO(base64.b64decode(source))).size == (4 * 24 + 3 * 2, 24)


def test_curves_are_thinned_and_return_to_an_earlier_step(cell: Cell) -> None:
    notebook = Notebook(NotebookConfig(every=1e9))
    notebook._title, notebook._last, notebook._cell = "x", 10_000, cell
    for step in range(1, 5001):
        notebook.step_ended(step, {"loss": float(step), "psnr": np.nan})
    assert len(cell.shown) == 1, "the time between two updates"
    assert MOST_POINTS / 2 < len(notebook._rows) <= MOST_POINTS and notebook._rows[-1]["step"] == 5000
    notebook.rolled_back(2500)
    assert 2480 < max(row["step"] for row in notebook._rows) <= 2500 and len(cell.shown) == 2
    assert "loss: 2" in cell.shown[-1]._repr_html_() and "PSNR" not in cell.shown[-1]._repr_html_()


def test_outside_of_a_notebook_nothing_is_shown_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [*SMALL, "observers.n=notebook"]
    with caplog.at_level(logging.WARNING):
        train_run(compose(get_registry(), method="tiny-nerf", overrides=words).run, out=tmp_path / "run", quiet=True)
    assert "shows nothing, because this is no notebook" in caplog.text
    assert "failed in" not in caplog.text
