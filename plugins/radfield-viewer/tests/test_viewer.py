"""The viewer as its visitors see it: pictures, controls and paths; and training, which it never changes."""

from __future__ import annotations

import io
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

import trimesh
from radfield_viewer import observer as observers
from radfield_viewer.client import Client
from radfield_viewer.guard import Guard
from radfield_viewer.observer import Viewer
from viewer_runs import shown, strangers, train

from radfield_core import View, open_run
from radfield_core.cli.main import main
from radfield_core.render import make_pictures, read_path, stated_camera
from radfield_core.runs.live import observed
from radfield_core.testing import conformance

test_conforms = conformance("observer:viewer")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "run", 2)


def pose(run: Path, number: int = 1) -> np.ndarray:
    return open_run(run).scenes.views("train").cameras.c2w[number].double().numpy()


def test_the_picture_at_rest_is_the_one_that_render_makes(run: Path) -> None:
    c2w = pose(run)
    with shown(run) as (_, port):
        client = Client(port)
        client.look(c2w, 40.0, 48, 32)
        assert client.picture((8, 8), exact=False).shape == (8, 8, 3), "coarse first"
        found = client.picture((32, 48))
        client.set("picture", "depth")
        depth = client.picture((32, 48))
        client.close()
    _, live = observed(open_run(run))
    rendered = live.render(View(torch.from_numpy(c2w), stated_camera(48, 32, 40.0)), None, None)
    expected = make_pictures(rendered, 48, 32)
    for picture, kind in ((found, "rgb"), (depth, "depth")):
        error = np.square(picture.astype(float) - expected[kind]).mean()
        assert error == 0 or 10 * np.log10(255**2 / error) >= 35.0, kind


def test_background_and_crop_change_the_picture(run: Path) -> None:
    with shown(run) as (_, port):
        client = Client(port)
        client.look(pose(run), 40.0, 16, 16)
        client.picture((16, 16))
        client.set("background", [255, 0, 0])
        client.set("own background", True)
        client.set("smallest corner", [90.0, 90.0, 90.0])
        client.set("largest corner", [91.0, 91.0, 91.0])
        client.set("only this box", True)
        picture = client.picture((16, 16))
        while not (picture == (255, 0, 0)).all():  # until the last of these settings is seen: an empty box, only red
            picture = client.picture((16, 16))
        client.close()


def test_a_path_saved_on_the_page_is_rendered_by_the_command_line(run: Path, tmp_path: Path) -> None:
    with shown(run) as (_, port):
        client = Client(port)
        for number, x in ((0, 0.0), (1, 0.5)):
            c2w = pose(run, number)
            c2w[0, 3] += x
            client.look(c2w, 40.0, 64, 32)
            client.picture((32, 64))
            client.set("Add keyframe here", True)
            client.text(str(number + 1))
        client.set("Save", True)
        assert "camera_paths/path-001.json" in client.text("Saved as")
        client.close()
    file = run / "camera_paths" / "path-001.json"
    path = read_path(file)
    scene = open_run(run).scenes.views("train")
    np.testing.assert_allclose(path.c2w[0], scene.cameras.c2w[0].double().numpy(), atol=1e-6)  # here to_data is 1
    assert path.fov == pytest.approx([40.0, 40.0]) and path.width / path.height == 2.0
    words = ["--views", "0", "--frames", "2", "--width", "16", "--video", "gif", "--out", str(tmp_path), "-q"]
    assert main(["render", str(run), "--path", str(file), *words]) == 0
    assert (tmp_path / "path-001.gif").exists()


def test_an_exported_mesh_is_shown_and_no_other_file_can_be_named(run: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(run, tmp_path / "run"))
    (copied / "exports").mkdir()
    trimesh.creation.box().export(copied / "exports" / "mesh.ply")
    trimesh.creation.box().export(tmp_path / "outside.ply")
    with shown(copied) as (_, port):
        client = Client(port)
        client.look(pose(run), 40.0, 16, 16)
        client.picture((16, 16))
        client.set("exported", "../../outside")
        client.set("exported", "mesh")
        found = next(message for message in client.received(30.0) if message["type"] == "GlbMessage")
        vertices = trimesh.load(io.BytesIO(found["props"]["glb_data"]), file_type="glb").to_mesh().vertices
        np.testing.assert_allclose(sorted(map(tuple, vertices)), sorted(map(tuple, trimesh.creation.box().vertices)))
        client.set("exported", "–")
        assert any(message["type"] == "RemoveSceneNodeMessage" for message in client.received(30.0))
        client.close()


def test_hostile_values_of_controls_change_nothing_else(run: Path) -> None:
    with shown(run) as (_, port):
        client = Client(port)
        client.look(pose(run), 40.0, 16, 16)
        client.picture((16, 16))
        client.send("ViewerCameraMessage", wxyz=[float("nan")] * 4, position=[0.0] * 3, fov=-1.0, near=0.0, far=0.0,
                    image_height=10**9, image_width=-5, look_at=[0.0] * 3, up_direction=[0.0] * 3)  # fmt: skip
        client.set("picture", "../../etc/passwd")
        client.set("go to camera", "99999999999999999999")
        client.set("keyframe", "²")
        client.set("smallest corner", ["x", None, 1.0])
        client.set("frames per second", float("inf"))
        client.set("Go to keyframe", True)
        client.send("GuiUpdateMessage", uuid="nothing", updates={"value": 1})
        client.look(pose(run), 41.0, 16, 16)
        assert client.picture((16, 16)).shape == (16, 16, 3)
        client.close()


STEPS = 12


@pytest.mark.parametrize("method", ["nerf-small", "ngp", "splat"])
def test_training_is_bit_equal_with_visitors_who_come_look_and_vanish(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visitor looks, pauses, takes a step, resumes, and vanishes; meanwhile 100 strangers knock."""
    plain = open_run(train(tmp_path / "plain", STEPS, method=method))
    c2w = plain.scenes.views("train").cameras.c2w[0].double().numpy()
    wants_look = Viewer.wants_look
    opened, paused = observers.url_of, threading.Event()
    seen: list[tuple[int, ...]] = []
    knocking: list[socket.socket] = []

    def visit(port: int) -> None:
        knocking.extend(strangers(port, 100))
        client = Client(port)
        client.look(c2w, 40.0, 16, 16)
        client.set("Pause", True)
        client.text("Resume")
        paused.set()
        for _ in range(3):
            client.set("One step", True)
        client.look(c2w, 45.0, 16, 16)
        seen.append(client.picture((16, 16), 200.0).shape)  # the first picture may compile kernels
        client.vanish()

    def url_of(host: str, port: int, guard: Guard) -> str:
        """Called before the first step: let the visitor pause the training."""
        visitor = threading.Thread(target=visit, args=(port,))
        visitors.append(visitor)
        visitor.start()
        return opened(host, port, guard)

    visitors: list[threading.Thread] = []
    monkeypatch.setattr(observers, "url_of", url_of)
    monkeypatch.setattr(Viewer, "wants_look", lambda viewer: paused.wait(30) and wants_look(viewer))

    watched = open_run(train(tmp_path / "watched", STEPS, "observers.v=viewer", "observers.v.port=0",
                             "observers.v.share=0.9", "observers.v.clients=64", method=method))  # fmt: skip
    visitors[0].join()
    for connection in knocking:
        connection.close()
    assert seen and watched.step == STEPS
    for (name, one), other in zip(plain.model.state_dict().items(), watched.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_run_without_a_viewer_installed_says_what_to_install(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(run), "--with", "tensorboard"]) == 2
    assert "shows no trained runs" in capsys.readouterr().err
    assert main(["view", str(run), "--host", "203.0.113.7"]) == 2
    assert "no server can be started at '203.0.113.7'" in capsys.readouterr().err
