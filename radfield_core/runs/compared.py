"""Views of a trained run beside their true images, for reports and viewers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.render.evaluation import shrunk, true_colors
from radfield_core.render.image_metrics import SSIM_WINDOW, psnr, ssim_map
from radfield_core.render.pictures import comparison_pictures, depth_range, make_pictures, similarity_picture
from radfield_core.render.views import render_view, scaled
from radfield_core.runs.trained import Trained
from radfield_core.runtime.progress import ProgressCallback


@dataclass(frozen=True, eq=False)
class ComparedView:
    """A rendered view, compared with its true image.

    Attributes:
        name: name of the view.
        index: number of the view in its split.
        pictures: kind -> picture [H, W, 3] uint8: `rendered`, `depth`, `opacity`; `normals` if the model has them; and
            `truth`, `error` and `similarity` if the true image can be read. `similarity` is absent from tiny pictures.
        metrics: PSNR, and SSIM unless the picture is tiny, at the size of the pictures. Empty without a true image.
        depths: the distances from the camera of the first and the last color in the picture of depth, in the unit of
            the data; None if the view is empty, or if rays are in NDC, which has no such distances.
        seconds: time that it took to render the view.
    """

    name: str
    index: int
    pictures: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]
    depths: tuple[float, float] | None
    seconds: float


def compared_views(
    trained: Trained, split: str, views: Sequence[int], side: int, report: ProgressCallback | None = None
) -> Iterator[ComparedView]:
    """Render views of a split, one after another, and compare them with their true images.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from radfield_core import compose, get_registry, open_run, train_run
        >>> data = ["type=synthetic", "resolution=16", "n_train=2", "n_val=1", "n_test=1"]
        >>> options = [f"data.{option}" for option in data] + ["trainer.max_steps=1", "trainer.n_rays=8"]
        >>> run = compose(get_registry(), method="tiny-nerf", overrides=options).run
        >>> with TemporaryDirectory() as folder:
        ...     outcome = train_run(run, out=Path(folder) / "run", quiet=True)
        ...     (view,) = compared_views(open_run(outcome.folder), "test", [0], side=12)
        >>> sorted(view.pictures), view.pictures["truth"].shape
        (['depth', 'error', 'opacity', 'rendered', 'similarity', 'truth'], (12, 12, 3))

    Args:
        trained: the run.
        split: name of the split, such as "test".
        views: numbers of the views.
        side: largest width and height of the pictures, in pixels. A view is never enlarged.
        report: called repeatedly while a view is rendered, as report(number of rendered pixels, number of pixels).

    Yields:
        Each view. If its true image cannot be read, for example because the data were moved, it has none.

    Raises:
        UsageError: the data has no such split.
        NoSuchSplit: the split is empty.
    """
    scene = trained.scenes.views(split)
    factor = float(scene.to_data[:3, :3].double().det().abs()) ** (1 / 3)
    for index in views:
        view = scene.cameras.view(index)
        size = max(view.camera.width, view.camera.height)
        view = replace(view, camera=scaled(view.camera, min(1.0, side / size)))
        started = time.perf_counter()
        rendered = render_view(trained.model, trained.method, scene, view, trained.run.eval.rays_per_chunk, report)
        seconds = time.perf_counter() - started
        width, height = view.camera.width, view.camera.height
        truth = _truth(trained, scene, index, width, height)
        metrics: dict[str, float] = {}
        if truth is None or rendered.rgb is None:
            pictures = make_pictures(rendered, width, height)
            pictures = {{"rgb": "rendered"}.get(kind, kind): picture for kind, picture in pictures.items()}
        else:
            pictures = comparison_pictures(rendered, truth)
            images = [torch.from_numpy(pictures[kind]).double() / 255.0 for kind in ("rendered", "truth")]
            metrics = {"psnr": psnr(images[0], images[1])}
            if min(height, width) >= SSIM_WINDOW:
                similarity = ssim_map(images[0], images[1])
                metrics["ssim"] = float(similarity.mean())
                pictures |= {"similarity": similarity_picture(similarity)}
        depths = None if scene.ndc else depth_range(rendered)
        shown = None if depths is None else (factor * depths[0], factor * depths[1])
        name = scene.names[index] if scene.names else f"{index:04d}"
        yield ComparedView(name, index, pictures, metrics, shown, seconds)


def _truth(trained: Trained, scene: Scene, index: int, width: int, height: int) -> Tensor | None:
    """Return the true image [height, width, 3] of a view, or None if it cannot be read."""
    try:
        return shrunk(true_colors(scene, trained.method, index), width, height)
    except (DatasetError, OSError):
        return None
