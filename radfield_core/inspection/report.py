"""Looking at a data set: what is in each split, what is odd about its cameras, and whether every image can be read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import corner_directions
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import DatasetError, NoSuchSplit, Problem
from radfield_core.inspection import quality
from radfield_core.interfaces import DataParser
from radfield_core.runtime.progress import tracked

_SHOWN = 5


@dataclass
class SplitReport:
    """One split: facts to show, remarks, faults; the scene is None where it cannot be parsed."""

    split: str
    scene: Scene | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    absent: str = ""


def inspect(parser: DataParser, quiet: bool = False) -> list[SplitReport]:
    """A report of every split of a data set; decodes every image once, with progress unless `quiet`."""
    reports = []
    for split in parser.splits:
        report = SplitReport(split)
        reports.append(report)
        try:
            scene = report.scene = parser.parse(split)
        except NoSuchSplit as error:
            report.absent = error.problems[0].message
            continue
        except DatasetError as error:
            report.problems += error.problems
            continue
        report.facts += scene_facts(scene)
        report.warnings += [*scene.notes, *camera_warnings(scene)]
        for facts, warnings in (
            quality.coverage(scene),
            quality.lens(scene),
            quality.limits_against_points(scene),
        ):
            report.facts += facts
            report.warnings += warnings
        _look_at_images(scene, report, quiet)
    return reports


def scene_facts(scene: Scene) -> list[tuple[str, str]]:
    """What a scene says about itself, as (name, text)."""
    cameras = scene.cameras
    first = cameras.camera(0)
    angle = 2 * math.degrees(math.atan(0.5 * first.width / first.fx))
    distances = (cameras.c2w[:, :, 3] - scene.box.center.to(cameras.c2w)).norm(dim=-1)
    along = "optical axis" if scene.limits_along == "axis" else "rays"
    measured = "" if scene.box.measured else ", guessed"
    center = ", ".join(f"{value:.3g}" for value in scene.box.center.tolist())
    facts = [
        ("views", str(len(cameras))),
        ("size", _varied([f"{w}×{h}" for w, h in cameras.sizes.tolist()])),
        ("lens", f"{cameras.model}, pixel center +{cameras.pixel_center:g}"),
        ("focal", f"{_varied([f'{fx:.2f}' for fx in cameras.intrinsics[:, 0].tolist()])} px ({angle:.1f}° across)"),
        ("center", _varied([f"{cx:.2f}, {cy:.2f}" for cx, cy in cameras.intrinsics[:, 2:].tolist()]) + " px"),
        ("limits", f"{scene.near:.4g} to {scene.far:.4g} along the {along}" + (", in NDC" if scene.ndc else "")),
        ("region", f"{scene.box.shape} of radius {scene.box.radius:.4g} at ({center}){measured}"),
        ("cameras", f"{distances.min():.3g} to {distances.max():.3g} from the region's center"),
    ]
    others = {
        "masks": scene.masks is not None,
        "depths": scene.depths is not None,
        "normals": scene.normals is not None,
        "true mesh": scene.ground_truth is not None,
    }
    also = ", ".join(name for name, there in others.items() if there)
    return [*facts, ("also", also)] if also else facts


def _varied(values: list[str]) -> str:
    """The common value, or how many there are and between which."""
    distinct = sorted(set(values))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} … {distinct[-1]} ({len(distinct)} different)"


def camera_warnings(scene: Scene) -> list[str]:
    """What is odd about the cameras: two alike, looking away from the region, region outside of the limits."""
    found = []
    c2w = scene.cameras.c2w.detach().double()
    twins = _twins(c2w)
    if twins:
        found.append(f"{_some(scene, twins)} have the camera of another view")
    if scene.ndc:
        return found
    offset = scene.box.center.to(c2w) - c2w[:, :, 3]
    distance = offset.norm(dim=-1)
    radius = scene.box.radius * (math.sqrt(3) if scene.box.shape == "box" else 1.0)
    outside = distance > radius
    facing = (-(c2w[:, :, 2] * offset).sum(-1) / distance.clamp_min(1e-12)).clamp(-1.0, 1.0).acos()
    seen = torch.tensor([_half_angle(scene, i) for i in range(len(c2w))], dtype=torch.float64)
    reach = (radius / distance.clamp_min(1e-12)).clamp_max(1.0).asin()
    away = (outside & (facing > seen + reach)).nonzero()[:, 0].tolist()
    if away:
        worst = math.degrees(float(facing[away].max()))
        found.append(f"{_some(scene, away)} look away from the region (up to {worst:.0f}° off)")
    missed = ((distance - radius > scene.far) | (distance + radius < scene.near)).nonzero()[:, 0].tolist()
    if missed:
        found.append(
            f"the region lies outside of near and far for {_some(scene, missed)}: it is "
            f"{float(distance[missed].min()):.3g} to {float(distance[missed].max()):.3g} away"
        )
    return found


def _twins(c2w: Tensor) -> list[int]:
    """Views whose camera equals an earlier one's."""
    keys: dict[tuple[float, ...], int] = {}
    scale = max(float(c2w[:, :, 3].abs().max()), 1e-12)
    rounded = torch.cat([c2w[:, :, :3].flatten(1), c2w[:, :, 3] / scale], 1).mul(1e6).round().tolist()
    return [i for i, row in enumerate(rounded) if keys.setdefault(tuple(row), i) != i]


def _half_angle(scene: Scene, view: int) -> float:
    """The largest angle, radians, between a view's axis and what it sees."""
    corners = torch.nn.functional.normalize(corner_directions(scene.cameras.view(view)), dim=-1)
    axis = -scene.cameras.c2w[view, :, 2].detach().double()
    return float((corners @ axis).clamp(-1.0, 1.0).acos().max())


def _some(scene: Scene, views: list[int]) -> str:
    """The names of a few views, and how many more there are."""
    more = f" and {len(views) - _SHOWN} more" if len(views) > _SHOWN else ""
    return ", ".join(map(scene.name, views[:_SHOWN])) + more


def _look_at_images(scene: Scene, report: SplitReport, quiet: bool) -> None:
    """Decode every image and mask once: what cannot be read, channels, transparency, views of one color."""
    clear, empty = [], []
    scores, thumbnails = [], []
    channels: set[int] = set()
    views = range(len(scene.images))
    for i, _ in tracked(views, f"read {report.split}", quiet=quiet):
        image = _decoded(scene.images, i, report)
        scores.append(math.nan if image is None else quality.sharpness(image))
        thumbnails.append(None if image is None else quality.thumbnail(image))
        if image is not None:
            channels.add(image.shape[-1])
            if image.shape[-1] == 4:
                clear.append(float((image[..., 3] < 128).mean()))
            if np.ptp(image.reshape(-1, image.shape[-1]), axis=0).max() == 0:
                empty.append(i)
        if scene.masks is not None:
            _decoded(scene.masks, i, report)
    kinds = {1: "gray", 3: "RGB", 4: "RGBA, straight alpha"}
    text = ", ".join(kinds[count] for count in sorted(channels))
    if clear:
        text += f", {100 * sum(clear) / len(clear):.0f} % transparent"
    report.facts.append(("pixels", f"{text}; {len(scene.images) - len(report.problems)} images read"))
    facts, warnings = quality.blur(scene, scores)
    report.facts += facts
    report.warnings += [*warnings, *quality.duplicates(scene, thumbnails)]
    if empty:
        report.warnings.append(f"{_some(scene, empty)} are of one color")


def _decoded(images: ImageSource, index: int, report: SplitReport) -> np.ndarray | None:
    try:
        return images[index].numpy()
    except DatasetError as error:
        report.problems += error.problems
        return None
