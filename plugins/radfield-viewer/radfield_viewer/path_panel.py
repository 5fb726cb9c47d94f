"""The part of the page that makes camera paths."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import viser

from radfield_core import RadfieldError
from radfield_viewer.keyframes import Keyframe, Keyframes
from radfield_viewer.poses import Array, c2w_of, place

PREVIEW_FPS = 10.0
LONGEST_PREVIEW = 120.0
"""Longest preview in seconds."""

NONE = "–"


class PathPanel:
    """Buttons that add, choose, change and remove keyframes, and preview and save the path.

    Args:
        server: the server of the page.
        folder: the run's folder.
        to_data: similarity [4, 4] from scene coordinates to the data's.
        size: size of the scene.
    """

    def __init__(self, server: viser.ViserServer, folder: Path, to_data: Array, size: float):
        self._server, self._folder, self._to_data, self._size = server, folder, to_data, size
        self.keyframes = Keyframes()
        self._previewing = False
        gui = server.gui
        with gui.add_folder("Camera path", expand_by_default=False):
            self._button("Add keyframe here", self._add)
            self._chosen: Any = gui.add_dropdown("keyframe", (NONE,))
            self._seconds: Any = gui.add_number("seconds to next", 2.0, min=0.1, max=600.0, step=0.1)
            self._fov: Any = gui.add_number("field of view", 50.0, min=1.0, max=170.0, step=0.5)
            self._button("Go to keyframe", self._go)
            self._button("Move it here", self._replace)
            edits = gui.add_button_group("order", ("earlier", "later", "remove"))
            self._fps = gui.add_number("frames per second", 30.0, min=1.0, max=120.0, step=1.0)
            self._loop = gui.add_checkbox("return to the first", False)
            self._button("Preview", self._preview)
            self._button("Save", self._save)
            self._says = gui.add_markdown("")
        edits.on_click(self._guarded(lambda event: self._edit(str(edits.value))))
        self._chosen.on_update(self._guarded(lambda event: self._shown_values()))
        self._seconds.on_update(self._guarded(lambda event: self._change(seconds=float(self._seconds.value))))
        self._fov.on_update(self._guarded(lambda event: self._change(fov=float(self._fov.value))))
        self._fps.on_update(self._guarded(lambda event: self._settings()))
        self._loop.on_update(self._guarded(lambda event: self._settings()))

    def _button(self, label: str, action: Callable[[Any], None]) -> None:
        self._server.gui.add_button(label).on_click(self._guarded(action))

    def _guarded(self, action: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return an action that shows its error on the page instead of raising it."""

        def act(event: Any) -> None:
            try:
                action(event)
            except (RadfieldError, OSError, ValueError) as error:
                self._say(str(error).splitlines()[0][:300])

        return act

    def _say(self, text: str) -> None:
        self._says.content = text

    @property
    def _index(self) -> int:
        """The index of the chosen keyframe, or −1. A page may send any text."""
        value = str(self._chosen.value)
        return int(value) - 1 if value.isdecimal() and len(value) < 6 else -1

    def _add(self, event: Any) -> None:
        camera = event.client.camera
        if (c2w := c2w_of(camera)) is None:
            return
        fov = float(np.clip(np.degrees(camera.fov), 1.0, 170.0))
        if not self.keyframes.frames:
            self.keyframes.aspect = float(np.clip(camera.aspect, 0.25, 4.0))
        self.keyframes.add(Keyframe(c2w, fov, float(np.clip(self._seconds.value, 0.1, 600.0))))
        self._changed(len(self.keyframes.frames) - 1)

    def _go(self, event: Any) -> None:
        if 0 <= self._index < len(self.keyframes.frames):
            frame = self.keyframes.frames[self._index]
            place(event.client.camera, frame.c2w, frame.fov)

    def _replace(self, event: Any) -> None:
        if (c2w := c2w_of(event.client.camera)) is not None:
            self.keyframes.change(self._index, c2w=c2w)
            self._changed(self._index)

    def _edit(self, what: str) -> None:
        index = self._index
        if what == "remove":
            self.keyframes.remove(index)
            self._changed(min(index, len(self.keyframes.frames) - 1))
        elif what in ("earlier", "later"):
            self._changed(self.keyframes.move(index, -1 if what == "earlier" else 1))

    def _change(self, **changed: float) -> None:
        limits = {"seconds": (0.1, 600.0), "fov": (1.0, 170.0)}
        self.keyframes.change(self._index, **{name: float(np.clip(x, *limits[name])) for name, x in changed.items()})
        self._draw()

    def _settings(self) -> None:
        self.keyframes.fps = float(np.clip(self._fps.value, 1.0, 120.0))
        self.keyframes.loop = bool(self._loop.value)
        self._draw()

    def _changed(self, index: int) -> None:
        """Show the keyframes after one was added, removed or changed."""
        names = tuple(str(i + 1) for i in range(len(self.keyframes.frames))) or (NONE,)
        self._chosen.options = names
        self._chosen.value = names[max(0, min(index, len(names) - 1))]
        self._shown_values()
        self._draw()
        self._say("")

    def _shown_values(self) -> None:
        if 0 <= self._index < len(self.keyframes.frames):
            frame = self.keyframes.frames[self._index]
            self._seconds.value, self._fov.value = frame.seconds, frame.fov

    def _draw(self) -> None:
        """Draw the path as a line."""
        if len(self.keyframes.frames) < 2:
            self._server.scene.remove_by_name("/path")
            return
        points = self.keyframes.trajectory().frames(20 * len(self.keyframes.frames))[0][:, :, 3]
        lines = np.stack([points[:-1], points[1:]], 1)
        self._server.scene.add_line_segments("/path", lines, (220, 40, 60), thickness=self._size * 0.004)

    def _preview(self, event: Any) -> None:
        """Move the camera of the page along the path, once."""
        if self._previewing or event.client is None:
            return
        path, camera = self.keyframes.trajectory(), event.client.camera
        before, fov = c2w_of(camera), float(np.degrees(camera.fov))
        seconds = min(path.duration, LONGEST_PREVIEW)
        self._previewing = True
        try:
            for pose, angle in zip(*path.frames(max(2, round(seconds * PREVIEW_FPS))), strict=True):
                place(camera, pose, float(angle))
                time.sleep(1.0 / PREVIEW_FPS)
            if before is not None:
                place(camera, before, fov)
        finally:
            self._previewing = False

    def _save(self, event: Any) -> None:
        file = self.keyframes.save(self._folder, self._to_data)
        name = f"{file.parent.name}/{file.name}"
        command = f"radfield render RUN --views 0 --path RUN/{name}"
        self._say(f"Saved as `{name}` in the run's folder. Its video: `{command}`")
