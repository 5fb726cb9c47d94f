"""The page: its controls, the picture of each visitor, and the work that rendering needs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import viser

from radfield_core import LiveRun, ObservedRun, UsageError
from radfield_core.render import upward_axis
from radfield_viewer.curves import Curves
from radfield_viewer.exports import exported
from radfield_viewer.path_panel import PathPanel
from radfield_viewer.poses import c2w_of, place
from radfield_viewer.scenery import Scenery, start_at
from radfield_viewer.sharpening import MAX_SIDE, Sharpening, Shown, Wanted

KINDS = {"color": "rgb", "depth": "depth", "normals": "normals", "opacity": "opacity"}
NOT_CHOSEN = "–"
SMOOTHING = 0.7
"""Weight of earlier measurements in the time to render a ray."""


class Page:
    """The page of a run. `work` renders what its visitors want to see, in the thread that calls it.

    Args:
        server: the server.
        run: the run.
        side: height in pixels of a picture at rest.
        training: True to show curves and to offer a pause.

    Attributes:
        paused: True if a visitor has paused the training.
    """

    def __init__(self, server: viser.ViserServer, run: ObservedRun, side: int, training: bool):
        self._server, self._run, self._side = server, run, min(side, MAX_SIDE)
        self._visitors: dict[int, tuple[Any, Sharpening]] = {}
        self._lock = threading.Lock()
        self._per_ray = 0.0
        self.paused, self._steps = False, 0
        up = upward_axis(run.scene)
        server.scene.set_up_direction(tuple(up.tolist()))
        self.scenery = Scenery(server, run.scene)
        start_at(server.initial_camera, self.scenery.c2w(self.scenery.numbers[0]), run.scene)
        self._controls()
        self.curves = Curves(server) if training else None
        if training:
            self._training_controls()
        self.path = PathPanel(server, run.folder, run.scene.to_data.double().cpu().numpy(), float(run.scene.box.radius))
        server.on_client_connect(self._welcome)
        server.on_client_disconnect(self._forget)

    # What visitors do, in threads of viser

    def _controls(self) -> None:
        gui = self._server.gui
        self._status = gui.add_markdown("")
        self._kind = gui.add_dropdown("picture", tuple(KINDS))
        self._sharpness = gui.add_slider("height at rest", 64, MAX_SIDE, 16, self._side)
        self._own = gui.add_checkbox("own background", False)
        self._color = gui.add_rgb("background", (255, 255, 255))
        with gui.add_folder("Scene"):
            cameras = gui.add_checkbox("cameras", True)
            jump = gui.add_dropdown("go to camera", (NOT_CHOSEN, *map(str, self.scenery.numbers)))
            points = gui.add_checkbox("points", False, disabled=self._run.scene.points is None)
            self._exports = exported(self._run.folder)
            exports = gui.add_dropdown("exported", (NOT_CHOSEN, *self._exports), disabled=not self._exports)
        with gui.add_folder("Crop", expand_by_default=False):
            self._crop = gui.add_checkbox("only this box", False)
            box = self.scenery.box()
            self._low = gui.add_vector3("smallest corner", np.array(box[:3]), step=0.01)
            self._high = gui.add_vector3("largest corner", np.array(box[3:]), step=0.01)
        for handle in (self._kind, self._sharpness, self._own, self._color, self._crop, self._low, self._high):
            handle.on_update(lambda event: self._refresh())
        cameras.on_update(lambda event: self.scenery.show_cameras(bool(cameras.value)))
        points.on_update(lambda event: self.scenery.show_points(bool(points.value)))
        exports.on_update(lambda event: self._show_export(str(exports.value)))
        jump.on_update(lambda event: self._jump(event.client, str(jump.value)))

    def _training_controls(self) -> None:
        pause, step = self._server.gui.add_button("Pause"), self._server.gui.add_button("One step", disabled=True)

        def toggle(event: Any) -> None:
            self.paused = not self.paused
            pause.label, step.disabled = ("Resume" if self.paused else "Pause"), not self.paused

        def one(event: Any) -> None:
            self._steps += 1

        pause.on_click(toggle)
        step.on_click(one)

    def _welcome(self, client: Any) -> None:
        with self._lock:
            self._visitors[client.client_id] = (client, Sharpening())
        client.camera.on_update(lambda camera: self._moved(client))
        self._moved(client)

    def _forget(self, client: Any) -> None:
        with self._lock:
            self._visitors.pop(client.client_id, None)
            if not self._visitors:
                self.paused = False  # nobody is left who could resume the training

    def _jump(self, client: Any, chosen: str) -> None:
        if client is not None and chosen.isdecimal() and len(chosen) < 9 and int(chosen) in self.scenery.numbers:
            place(client.camera, self.scenery.c2w(int(chosen)), self.scenery.fov(int(chosen)))

    def _show_export(self, chosen: str) -> None:
        """Show an export. A page may send any text, so only the names that were found are looked up."""
        try:
            self.scenery.show_export(self._exports.get(chosen))
        except UsageError as error:
            self._status.content = error.problems[0].message

    def _moved(self, client: Any) -> None:
        with self._lock:
            visitor = self._visitors.get(client.client_id)
        if visitor is not None:
            wanted = self._wanted(client.camera)
            visitor[1].want(wanted)
            if wanted is not None:
                self.scenery.make_way(wanted.c2w[:, 3].numpy())

    def _refresh(self) -> None:
        self.scenery.show_box(self._box())
        with self._lock:
            clients = [client for client, _ in self._visitors.values()]
        for client in clients:
            self._moved(client)

    def _wanted(self, camera: Any) -> Wanted | None:
        """Return what a camera sees, or None if its numbers are not usable: a page may send anything."""
        c2w = c2w_of(camera)
        numbers = [camera.fov, camera.image_width, camera.image_height, self._sharpness.value]
        if c2w is None or not all(isinstance(x, (int, float)) and math.isfinite(x) and x > 0 for x in numbers):
            return None
        fov = min(max(math.degrees(camera.fov), 1.0), 170.0)
        height = int(min(camera.image_height, self._sharpness.value, MAX_SIDE))
        aspect = min(max(camera.image_width / camera.image_height, 0.1), 10.0)
        width = min(max(1, round(height * aspect)), 2 * MAX_SIDE)
        color = None
        if self._own.value:
            red, green, blue = (min(max(int(x), 0), 255) / 255 for x in self._color.value[:3])
            color = (red, green, blue)
        kind = KINDS.get(str(self._kind.value), "rgb")
        return Wanted(torch.from_numpy(c2w), width, max(1, height), fov, kind, color, self._box())

    def _box(self) -> tuple[float, ...] | None:
        """Return the box that is cut out, or None if it is switched off or has no volume."""
        box = (*map(float, self._low.value), *map(float, self._high.value))
        usable = len(box) == 6 and all(map(math.isfinite, box)) and all(box[i] < box[i + 3] for i in range(3))
        return box if self._crop.value and usable else None

    # The work, in the thread that owns the model

    @property
    def busy(self) -> bool:
        """True if there is something to render, or a thumbnail to show."""
        return bool(self._visitors) and (self._next() is not None or bool(self.scenery.waiting))

    @property
    def seconds(self) -> float:
        """About how long the next piece of work will take."""
        visitor = self._next()
        return 0.0 if visitor is None else visitor[1].seconds(self._per_ray)

    @property
    def held(self) -> bool:
        """True if training has to wait: it is paused, and no visitor has asked for a step."""
        return self.paused and not self._steps

    def take_step(self) -> None:
        """Count one of the steps that visitors asked for while training was paused."""
        self._steps = max(0, self._steps - 1) if self.paused else 0

    def work(self, live: LiveRun) -> None:
        """Render the next piece of a picture, and send the picture if it is finished. Otherwise, add a thumbnail."""
        visitor = self._next()
        if visitor is None:
            self.scenery.add_thumbnail()
            return
        client, sharpening = visitor
        try:
            shown, per_ray = sharpening.work(live, self._per_ray)
        except UsageError as error:
            sharpening.fail()
            self._status.content = error.problems[0].message
            return
        weight = SMOOTHING if self._per_ray else 0.0
        self._per_ray = weight * self._per_ray + (1.0 - weight) * per_ray
        if shown is not None:
            self._send(client, shown, live.step)

    def _next(self) -> tuple[Any, Sharpening] | None:
        """Return the next visitor who waits for a picture. Visitors take turns."""
        with self._lock:
            for number, visitor in list(self._visitors.items()):
                if not visitor[1].idle:
                    self._visitors[number] = self._visitors.pop(number)
                    return visitor
        return None

    def _send(self, client: Any, shown: Shown, step: int) -> None:
        exact = "png" if shown.sharp else "jpeg"
        client.scene.set_background_image(np.ascontiguousarray(shown.picture), exact, jpeg_quality=80)
        client.flush()
        wanted = KINDS.get(str(self._kind.value), "rgb")
        missing = "" if shown.kind == wanted else f" · this model has no {self._kind.value}"
        text = f"step {step:,}{missing}"
        if self._status.content != text:
            self._status.content = text


def until(done: Callable[[], bool], page: Page, live: LiveRun, rest: float = 0.01) -> None:
    """Render what visitors want to see until `done()` returns True."""
    while not done():
        if page.busy:
            page.work(live)
        else:
            time.sleep(rest)
