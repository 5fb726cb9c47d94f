"""Evaluation: renders the views of a split and compares them with their images by the NerfBaselines protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method, Model
from radfield_core.render.backgrounds import background_for, on_background
from radfield_core.render.image_metrics import SSIM_WINDOW, psnr, rounded, ssim
from radfield_core.render.views import render_view
from radfield_core.runtime.progress import ProgressCallback, tracked


@dataclass(frozen=True)
class ViewResult:
    """The evaluation of one view.

    Attributes:
        name: name of the view.
        metrics: name of a metric -> its value.
        seconds: wall time of rendering.
        group: the group that the view belongs to, such as one scale of a multiscale data set; None without groups.
    """

    name: str
    metrics: dict[str, float]
    seconds: float
    group: str | None = None


def evaluate_views(
    model: Model, method: Method, scene: Scene, views: Sequence[int], chunk: int, report: ProgressCallback | None = None
) -> Iterator[ViewResult]:
    """Evaluate views one after another.

    Args:
        model: the trained model, in evaluation mode.
        method: the method that the model was trained with. It chooses the background.
        scene: the scene of the split.
        views: indices of the views.
        chunk: number of rays that are rendered at a time.
        report: called during each view with the number of rendered pixels and the number of all pixels of the view.

    Yields:
        The result of each view, with the metrics of `compare`.
    """
    for index in views:
        view = scene.cameras.view(index)
        started = time.perf_counter()
        rendered = render_view(model, method, scene, view, chunk, report)
        assert rendered.rgb is not None, "a method that is evaluated renders color"
        rgb = rendered.rgb.float().cpu().view(view.camera.height, view.camera.width, 3)
        seconds = time.perf_counter() - started
        truth = true_colors(scene, method, index)
        mask = None if scene.masks is None else scene.masks[index][..., -1].to(torch.float64) / 255.0
        name = scene.names[index] if scene.names else f"{index:04d}"
        yield ViewResult(name, compare(rgb, truth, mask), seconds, scene.groups[index] if scene.groups else None)


def true_colors(scene: Scene, method: Method, index: int) -> Tensor:
    """The colors [H, W, 3] in [0, 1] of a view's image. A transparent image is composited over the background."""
    pixels = scene.images[index]
    background = background_for(scene, method, None, 1, torch.device("cpu"))
    return on_background(pixels, None if background is None else background[0].expand(*pixels.shape[:2], 3))


def compare(rgb: Tensor, truth: Tensor, mask: Tensor | None = None) -> dict[str, float]:
    """Compare a rendered image [H, W, 3] in [0, 1] with the true one, after rounding both to 8 bits.

    Returns:
        name of a metric -> its value: `psnr`; `ssim`, unless the image is smaller than the window of SSIM; and
        `psnr_masked`, the PSNR of the pixels inside the mask [H, W], if a mask with such pixels is given.
    """
    rendered, wanted = rounded(rgb), rounded(truth)
    metrics = {"psnr": psnr(rendered, wanted)}
    if min(truth.shape[:2]) >= SSIM_WINDOW:
        metrics["ssim"] = ssim(rendered, wanted)
    if mask is not None and bool(mask.any()):
        metrics["psnr_masked"] = psnr(rendered, wanted, mask)
    return metrics


def evaluate_all(
    model: Model, method: Method, scene: Scene, chunk: int, title: str, *, quiet: bool = False
) -> list[ViewResult]:
    """Evaluate every view of a scene, with a progress display of this title."""
    return [
        result
        for view, report in tracked(range(len(scene.cameras)), title, quiet=quiet)
        for result in evaluate_views(model, method, scene, [view], chunk, report)
    ]
