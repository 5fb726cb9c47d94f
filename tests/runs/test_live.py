"""A model as an observer sees it: the pixels that `radfield render` makes, without gradients."""

from __future__ import annotations

from pathlib import Path

import torch

from radfield_core import compose, get_registry, open_run, train_run
from radfield_core.render.look import Look
from radfield_core.render.views import render_view
from radfield_core.runs.live import observed


def test_a_trained_run_is_seen_as_it_is_rendered(tmp_path: Path) -> None:
    words = ["data.type=synthetic", "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1",
             "trainer.max_steps=2", "trainer.n_rays=8"]  # fmt: skip
    run = compose(get_registry(), method="tiny-nerf", overrides=words).run
    trained = open_run(train_run(run, out=tmp_path / "run", quiet=True).folder)
    seen, live = observed(trained)
    assert (live.step, live.max_steps, seen.step, seen.folder) == (2, 2, 2, tmp_path / "run")
    view = seen.scene.cameras.view(1)
    for color in (None, (1.0, 0.0, 0.0)):
        found = live.render(view, color, None)
        with torch.no_grad():
            expected = render_view(trained.model, trained.method, seen.scene, view, 64, None, Look(background=color))
        assert torch.equal(found.rgb, expected.rgb) and not found.rgb.requires_grad
    assert float(live.render(view, None, (90.0, 90.0, 90.0, 91.0, 91.0, 91.0)).opacity.max()) == 0.0
