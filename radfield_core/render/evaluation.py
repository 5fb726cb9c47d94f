"""Evaluate a model: render the views of a split and compare them with the images, as the NerfBaselines protocol
states."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import Camera
from radfield_core.data.area_average import area_mean
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_scale
from radfield_core.interfaces import Method, Model
from radfield_core.rays import RaySpace
from radfield_core.render.backgrounds import background_for, on_background
from radfield_core.render.camera_fit import fitted_view, movement
from radfield_core.render.color_fit import Pair, Transparency, with_fitted_colors
from radfield_core.render.image_metrics import SSIM_WINDOW, MoreMetric, psnr, rounded, sphere_weights, ssim
from radfield_core.render.pictures import comparison_pictures
from radfield_core.render.views import render_view, scaled
from radfield_core.runtime.progress import ProgressCallback, tracked
from radfield_core.types import Rendered

NONE_MORE: Mapping[str, MoreMetric] = MappingProxyType({})

USUAL_METRICS = {"psnr": MoreMetric(psnr, 1, psnr), "ssim": MoreMetric(ssim, SSIM_WINDOW, ssim)}
"""Metrics of every evaluation, by their names in results."""


@dataclass(frozen=True)
class ViewResult:
    """The evaluation of one view.

    Attributes:
        name: name of the view.
        metrics: name of a metric -> value of the metric.
        seconds: time in seconds that it took to render the view.
        group: the group of the view, such as one scale of a multiscale data set; None if the scene has no groups.
        pictures: kind -> picture of the view, if pictures were asked for; see `comparison_pictures`.
        moved: angle in degrees and distance in data units by which the camera was moved to fit it to the image; None
            for a camera that was not fitted.
    """

    name: str
    metrics: dict[str, float]
    seconds: float
    group: str | None = None
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    moved: tuple[float, float] | None = None


def evaluate_views(
    model: Model,
    method: Method,
    scene: Scene,
    views: Sequence[int],
    chunk: int,
    report: ProgressCallback | None = None,
    scale: float = 1.0,
    *,
    pictures: bool = False,
    fit_color: str = "none",
    fit_cameras: str = "none",
    also: Mapping[str, MoreMetric] = NONE_MORE,
) -> Iterator[ViewResult]:
    """Evaluate views one after another.

    Args:
        model: the trained model, in evaluation mode.
        method: the method that the model was trained with. It chooses the background.
        scene: the scene of the split.
        views: indices of the views.
        chunk: number of rays that are rendered at a time.
        report: called repeatedly while a view is rendered, as report(number of rendered pixels, number of pixels).
        scale: size of the rendered views divided by the size of the true images, at most 1. The true images are
            averaged over the area of each pixel.
        pictures: True to make pictures of each view as well.
        fit_color: "half" fits the model's color map to the left half of each image, and measures the right half. "none"
            measures the whole image, with the colors of the scene.
        fit_cameras: "half" fits the camera of each view to the left half of its image, and measures the right half.
        also: metrics to compute in addition, by their names in results, such as `MORE_METRICS`.

    Yields:
        The result of each view, with the metrics that `compare` returns.
    """
    for index in views:
        view = scene.cameras.view(index)
        view = replace(view, camera=scaled(view.camera, scale))
        size = view.camera.width, view.camera.height
        truth = shrunk(true_colors(scene, method, index), *size)
        started, moved = time.perf_counter(), None
        if fit_cameras == "half":
            given = view
            view = fitted_view(model, RaySpace.of(scene), view, truth, *_behind(scene, method, index, size), chunk)
            degrees, distance = movement(given.c2w, view.c2w)
            moved = degrees, distance * similarity_scale(scene.to_data.double().numpy())
        rendered = render_view(model, method, scene, view, chunk, report)
        assert rendered.rgb is not None, "a method that is evaluated renders color"
        rgb = rendered.rgb.float().cpu().view(view.camera.height, view.camera.width, 3)
        seconds = time.perf_counter() - started
        mask = _mask(scene, index, size)
        name = scene.names[index] if scene.names else f"{index:04d}"
        group = scene.groups[index] if scene.groups else None
        pair = Pair(rgb, truth, mask)
        if fit_color == "half":
            pair = with_fitted_colors(model, pair, _transparency(model, method, scene, index, rendered, pair))
            rendered = replace(rendered, rgb=pair.rgb)
        shown = comparison_pictures(rendered, truth) if pictures else {}
        measured = pair.right_half() if "half" in (fit_color, fit_cameras) else pair
        yield ViewResult(name, compare(*measured, also=also, camera=view.camera), seconds, group, shown, moved)


def _behind(scene: Scene, method: Method, index: int, size: tuple[int, int]) -> tuple[Tensor | None, Tensor | None]:
    """Return the background color [3] of evaluation, and which pixels [H, W] of a true image show the scene."""
    background = background_for(scene, method, None, 1, torch.device("cpu"))
    mask = None if scene.masks_mean == "object" else _mask(scene, index, size)
    return None if background is None else background[0], None if mask is None else mask > 0.9


def _mask(scene: Scene, index: int, size: tuple[int, int]) -> Tensor | None:
    """Return the mask [H, W] of a view in [0, 1], scaled to width and height. Return None without masks."""
    if scene.masks is None:
        return None
    return shrunk(scene.masks[index][..., -1:].to(torch.float64) / 255.0, *size)[..., 0]


def _transparency(
    model: Model, method: Method, scene: Scene, index: int, rendered: Rendered, pair: Pair
) -> Transparency:
    """Return which pixels of a rendered view, and of its true image, are opaque."""
    height, width = pair.truth.shape[:2]
    opacity = rendered.opacity.float().cpu().view(height, width)
    if getattr(model, "background", None) is not None:
        opacity = torch.ones_like(opacity)  # the opacity of a pixel does not include the background model
    background = background_for(scene, method, None, 1, torch.device("cpu"))
    pixels, usable = scene.images[index], None
    if pixels.shape[-1] == 4:
        usable = shrunk(pixels[..., 3:].to(torch.float32) / 255.0, width, height)[..., 0]
    if pair.mask is not None and scene.masks_mean != "object":
        usable = pair.mask if usable is None else usable * pair.mask
    return Transparency(opacity, None if background is None else background[0], usable)


def true_colors(scene: Scene, method: Method, index: int) -> Tensor:
    """Return the colors [H, W, 3] in [0, 1] of a view's true image.

    If the image has an alpha channel, it is composited over the background.
    """
    pixels = scene.images[index]
    background = background_for(scene, method, None, 1, torch.device("cpu"))
    return on_background(pixels, None if background is None else background[0].expand(*pixels.shape[:2], 3))


def shrunk(image: Tensor, width: int, height: int) -> Tensor:
    """Scale an image [H, W, C] down to [height, width, C]. Each pixel is the mean over the area that it covers.

    Example:
        >>> shrunk(torch.tensor([[[0.0], [1.0], [2.0]]]), 2, 1).flatten()  # 1.5 pixels each
        tensor([0.3333, 1.6667])
    """
    if image.shape[:2] == (height, width):
        return image
    return torch.from_numpy(area_mean(image.cpu().numpy(), width, height)).to(image)


def compare(
    rgb: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    *,
    also: Mapping[str, MoreMetric] = NONE_MORE,
    camera: Camera | None = None,
) -> dict[str, float]:
    """Compare a rendered image [H, W, 3] in [0, 1] with the true image. Both are first rounded to 8 bits.

    Args:
        rgb: the rendered image.
        truth: the true image.
        mask: [H, W], the share of each pixel that the object covers.
        also: metrics to compute in addition, by their names in results, such as `MORE_METRICS`.
        camera: the camera of the image. The images may be cut off at the left.

    Returns:
        name of a metric -> value of the metric. `psnr` is always present. `ssim` is present unless the image is smaller
        than the window of SSIM, and a metric of `also` unless the image is smaller than that metric's least size.
        `psnr_masked`, `ssim_masked` and so on are the metrics of the pixels inside the mask. They are present if a mask
        is given and has any pixels inside. For SSIM, these are the pixels that lie at least 5 pixels from the border,
        because each has a window around it. `ws_psnr` is the PSNR in which each pixel counts by the solid angle that it
        covers. It is present if the camera takes panoramas.
    """
    rendered, wanted = rounded(rgb), rounded(truth)
    metrics = {}
    for name, metric in {**USUAL_METRICS, **also}.items():
        if min(truth.shape[:2]) < metric.least_size:
            continue
        metrics[name] = metric.measure(rendered, wanted)
        if mask is not None and metric.masked is not None:
            metrics[f"{name}_masked"] = metric.masked(rendered, wanted, mask)
    outside = [name for name, value in metrics.items() if name.endswith("_masked") and math.isnan(value)]
    for name in outside:  # the mask is empty
        del metrics[name]
    if camera is not None and camera.panoramic:
        metrics["ws_psnr"] = psnr(rendered, wanted, sphere_weights(camera)[:, : truth.shape[1]])
    return metrics


def evaluate_all(
    model: Model,
    method: Method,
    scene: Scene,
    chunk: int,
    title: str,
    *,
    quiet: bool = False,
    fit_color: str = "none",
    fit_cameras: str = "none",
    also: Mapping[str, MoreMetric] = NONE_MORE,
    look: Callable[[ViewResult], None] | None = None,
) -> list[ViewResult]:
    """Evaluate every view of a scene. Show the progress with this title, unless `quiet` is True.

    Args:
        look: function that gets each view with its pictures. The pictures are not kept.
    """
    fits: dict[str, Any] = {"fit_color": fit_color, "fit_cameras": fit_cameras, "also": also}
    results = []
    for view, report in tracked(range(len(scene.cameras)), title, quiet=quiet):
        pictures = look is not None
        for result in evaluate_views(model, method, scene, [view], chunk, report, pictures=pictures, **fits):
            if look is not None:
                look(result)
            results.append(replace(result, pictures={}))
    return results
