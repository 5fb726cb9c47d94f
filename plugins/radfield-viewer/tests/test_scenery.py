"""What the page shows beside the model."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

from radfield_viewer.guard import Guard
from radfield_viewer.scenery import Scenery, thumbnail
from radfield_viewer.server import start, stop

from radfield_core.testing.training import toy_scene


def test_a_thumbnail_stands_on_white() -> None:
    image = torch.tensor([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], dtype=torch.uint8)
    assert thumbnail(image).tolist() == [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]
    assert thumbnail(image[..., :1]).tolist() == [[[200] * 3] * 3]


def test_a_camera_gives_way_to_a_visitor_who_looks_through_it() -> None:
    server = start("127.0.0.1", 0, Guard("127.0.0.1"))
    try:
        scenery = Scenery(server, toy_scene())
        scenery.make_way(scenery.c2w(2)[:, 3])
        hidden = [number for number, frustum in scenery._frustums.items() if not frustum.visible]
        assert hidden == [2]
        scenery.make_way(scenery.c2w(2)[:, 3] * 9)
        assert all(frustum.visible for frustum in scenery._frustums.values())
        scenery.show_cameras(False)
        scenery.make_way(scenery.c2w(2)[:, 3] * 9)
        assert not any(frustum.visible for frustum in scenery._frustums.values())
    finally:
        stop(server)
