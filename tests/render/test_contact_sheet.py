"""A contact sheet: truth on the left, the rendering on the right, in rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from radfield_core.render import contact_sheet
from radfield_core.render.contact_sheet import COLUMNS, GAP, LABEL, SIDE, ContactSheet
from radfield_core.render.evaluation import ViewResult


def view(number: int, side: int = 8) -> ViewResult:
    """A view whose pictures have the view's number as color."""
    truth = np.full((side, side, 3), number, dtype=np.uint8)
    return ViewResult(f"v{number}", {"psnr": 20.0}, 0.1, pictures={"truth": truth, "rendered": 100 + truth})


def test_pairs_stand_in_rows_in_the_order_of_the_views(tmp_path: Path) -> None:
    sheet = ContactSheet(6)
    for number in range(6):
        sheet.add(view(number, 2 * SIDE))
    pixels = np.asarray(Image.open(sheet.write(tmp_path / "sheet.png")))
    width, height = 2 * SIDE + GAP, SIDE + LABEL + GAP
    assert pixels.shape == (GAP + 2 * height, GAP + COLUMNS * width, 3)
    for number in range(6):
        top, left = GAP + number // COLUMNS * height, GAP + number % COLUMNS * width
        assert (pixels[top : top + SIDE, left : left + SIDE] == number).all()
        assert (pixels[top : top + SIDE, left + SIDE : left + 2 * SIDE] == 100 + number).all()
        assert (pixels[top + SIDE : top + SIDE + LABEL, left : left + 2 * SIDE] < 200).any(), "the label"


def test_of_very_many_views_evenly_spread_ones_are_shown(monkeypatch) -> None:
    monkeypatch.setattr(contact_sheet, "MAX_VIEWS", 2)
    sheet = ContactSheet(8)
    for number in range(8):
        sheet.add(view(number))
    assert [label.split()[0] for label, _ in sheet._pairs] == ["v2", "v6"]
