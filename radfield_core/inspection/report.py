"""Report on each split of a data set: its contents, unusual cameras, and images that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import angle_across, corner_directions
from radfield_core.data.mask_files import mask_facts, mask_warnings
from radfield_core.data.missing_images import MAX_MISSING_SHARE, find_missing, missing_views
from radfield_core.data.pixel_budget import check_pixels
from radfield_core.data.scene import ImageSource, Scene, known_maps
from radfield_core.errors import DatasetError, NoSuchSplit, Problem
from radfield_core.inspection import quality
from radfield_core.inspection.axes import viewing_axes
from radfield_core.inspection.image_checks import ImageChecks
from radfield_core.interfaces import DataParser
from radfield_core.names import plural
from radfield_core.runtime.progress import tracked

MAX_LISTED = 5
"""A warning lists at most this many views by name."""

SAME_POSE_DIGITS = 1e6
"""Two poses count as equal if their entries are equal after multiplication by this factor and rounding."""


@dataclass
class SplitReport:
    """The report about one split.

    Attributes:
        split: name of the split.
        scene: the scene of the split, or None if the dataparser failed.
        facts: facts about the split, as pairs (name, text).
        warnings: warnings, as sentences.
        problems: faults that make some images or the whole split unusable.
        absent: the reason why the data set does not have this split, or "" if it does.
    """

    split: str
    scene: Scene | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    absent: str = ""


def inspect(parser: DataParser, quiet: bool = False, max_gigapixels: float = math.inf) -> list[SplitReport]:
    """Return a report on each split of a data set. Every image of a split is decoded once.

    Args:
        parser: the dataparser.
        quiet: show no progress.
        max_gigapixels: if all images and masks together have more pixels than this, in billions, none is decoded.
    """
    reports = _read_splits(parser)
    readable = {report.split: report.scene for report in reports if report.scene is not None}
    try:
        check_pixels(readable, max_gigapixels)
    except DatasetError as error:
        reports[0].problems += error.problems
        return reports
    for report in reports:
        if report.scene is not None:
            _inspect_images(report.scene, report, quiet)
    return reports


def _read_splits(parser: DataParser) -> list[SplitReport]:
    """Return a report on each split, without the checks of its images."""
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
        if missing := set(missing_views(scene)):
            scene = _without(scene, missing, report)
        if report.scene is None:
            continue
        report.facts += scene_facts(scene)
        report.facts += [("chosen", line) for line in scene.chosen]
        report.warnings += scene.notes
        facts, warnings = camera_findings(scene, parser.config)
        report.facts += facts
        report.warnings += warnings
    return reports


def _without(scene: Scene, missing: Collection[int], report: SplitReport) -> Scene:
    """Return a scene without the views whose images do not exist, and report these views just as training does."""
    found = find_missing({report.split: scene})
    try:
        found.check(MAX_MISSING_SHARE, len(scene.cameras) if report.split == "train" else 0)
        report.warnings.append(found.warning)
    except DatasetError as error:
        report.problems += error.problems
    kept = scene.only([view for view in range(len(scene.cameras)) if view not in missing])
    report.scene = kept if len(kept.cameras) else None
    return kept


def scene_facts(scene: Scene) -> list[tuple[str, str]]:
    """Return facts about a scene's cameras, its near and far limits and its region, as pairs (name, text)."""
    cameras = scene.cameras
    first = cameras.camera(0)
    angle = math.degrees(angle_across(first))
    unit = "px per radian" if first.panoramic else "px"
    distances = (cameras.c2w[:, :, 3] - scene.box.center.to(cameras.c2w)).norm(dim=-1)
    along = "optical axis" if scene.limits_along == "axis" else "rays"
    measured = "" if scene.box.measured else ", guessed"
    center = ", ".join(f"{value:.3g}" for value in scene.box.center.tolist())
    facts = [
        ("views", str(len(cameras))),
        ("size", _varied([f"{w}×{h}" for w, h in cameras.sizes.tolist()])),
        ("lens", f"{cameras.model}, pixel center +{cameras.pixel_center:g}"),
        (
            "focal",
            f"{_varied([_focal(*row) for row in cameras.intrinsics[:, :2].tolist()])} {unit} ({angle:.1f}° across)",
        ),
        ("center", _varied([f"{cx:.2f}, {cy:.2f}" for cx, cy in cameras.intrinsics[:, 2:].tolist()]) + " px"),
        ("limits", f"{scene.near:.4g} to {scene.far:.4g} along the {along}" + (", in NDC" if scene.ndc else "")),
        ("region", f"{scene.box.shape} of radius {scene.box.radius:.4g} at ({center}){measured}"),
        ("cameras", f"{distances.min():.3g} to {distances.max():.3g} from the region's center"),
    ]
    others = {"masks": scene.masks is not None, "true mesh": scene.ground_truth is not None}
    also = ", ".join([*(name for name, there in others.items() if there), *_surface_facts(scene)])
    return [*facts, ("also", also)] if also else facts


def _surface_facts(scene: Scene) -> list[str]:
    """Return text about what is known of the surface: in how many views there are depths, normals and points."""
    facts = []
    for name, maps in (("depths", scene.depths), ("normals", scene.normals)):
        if there := known_maps(maps):
            facts.append(f"{name} of {there} of {plural(len(scene.cameras), 'view')}")
    if scene.points is not None:
        facts.append(plural(len(scene.points), "sparse point"))
    if scene.observations is not None:
        views = len(set(scene.observations.views.tolist()))
        facts.append(f"{plural(len(scene.observations), 'observation')} of them in {plural(views, 'view')}")
    return facts


def _focal(fx: float, fy: float) -> str:
    return f"{fx:.2f}" if abs(fx - fy) < 5e-3 * fx else f"{fx:.2f} × {fy:.2f}"


def _varied(values: list[str]) -> str:
    """Summarize values as text.

    If all values are equal, the text is that value. Otherwise, it names the first and the last value in sorted order,
    and the number of different values.
    """
    distinct = sorted(set(values))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]} … {distinct[-1]} ({len(distinct)} different)"


def camera_findings(scene: Scene, options: Any = None) -> quality.Findings:
    """Return facts and warnings about a scene's cameras: their poses, intrinsics, lens, and near and far limits.

    `options` are the options of the dataparser, for warnings that say which option to set.
    """
    facts, warnings = [], [*viewing_axes(scene, options), *camera_warnings(scene)]
    for check in (quality.coverage, quality.intrinsics, quality.lens, quality.limits_against_points):
        more, found = check(scene)
        facts += more
        warnings += found
    return facts, warnings


def camera_warnings(scene: Scene) -> list[str]:
    """Return warnings about unusual cameras, as sentences.

    There is one warning about views with equal poses, one about cameras that look away from the region, and one about
    cameras for which the whole region lies outside of the near and far limits.
    """
    found = []
    c2w = scene.cameras.c2w.detach().double()
    repeated = _repeated_poses(c2w, scene.groups)
    if repeated:
        found.append(f"{_listed(scene, repeated)}: the pose equals that of another view")
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
        found.append(f"{_listed(scene, away)}: the camera looks away from the region, by up to {worst:.0f}°")
    missed = ((distance - radius > scene.far) | (distance + radius < scene.near)).nonzero()[:, 0].tolist()
    if missed:
        found.append(
            f"{_listed(scene, missed)}: the region lies outside of near and far, at a distance of "
            f"{float(distance[missed].min()):.3g} to {float(distance[missed].max()):.3g}"
        )
    return found


def _repeated_poses(c2w: Tensor, groups: Sequence[str]) -> list[int]:
    """Return the number of each view whose pose equals the pose of an earlier view of the same group.

    The views of several scales share their poses, and each scale is a group.
    """
    keys: dict[tuple[str, tuple[float, ...]], int] = {}
    scale = max(float(c2w[:, :, 3].abs().max()), 1e-12)
    rounded = torch.cat([c2w[:, :, :3].flatten(1), c2w[:, :, 3] / scale], 1).mul(SAME_POSE_DIGITS).round().tolist()
    named = groups or [""] * len(rounded)
    return [i for i, row in enumerate(rounded) if keys.setdefault((named[i], tuple(row)), i) != i]


def _half_angle(scene: Scene, view: int) -> float:
    """Return the largest angle in radians between the optical axis of a view and one of its rays."""
    if scene.cameras.panoramic:
        return math.pi
    corners = torch.nn.functional.normalize(corner_directions(scene.cameras.view(view)), dim=-1)
    axis = -scene.cameras.c2w[view, :, 2].detach().double()
    return float((corners @ axis).clamp(-1.0, 1.0).acos().max())


def _listed(scene: Scene, views: list[int]) -> str:
    """Return text that names the first few views, and says how many more there are."""
    more = f" and {len(views) - MAX_LISTED} more" if len(views) > MAX_LISTED else ""
    return ", ".join(map(scene.name, views[:MAX_LISTED])) + more


def _inspect_images(scene: Scene, report: SplitReport, quiet: bool) -> None:
    """Decode every image and mask once. Add facts, warnings and problems about them to the report."""
    checks = ImageChecks(scene)
    for i, _ in tracked(range(len(scene.images)), f"read {report.split}", quiet=quiet):
        checks.add(_decoded(scene.images, i, report))
        if scene.masks is not None:
            _decoded(scene.masks, i, report)
    facts, warnings = checks.findings()
    report.facts += [*facts, *mask_facts(scene)]
    report.warnings += [*mask_warnings(scene), *warnings]


def _decoded(images: ImageSource, index: int, report: SplitReport) -> np.ndarray | None:
    """Decode one image and return its pixels [H, W, C]. If this fails, add a problem to the report and return None."""
    try:
        return images[index].numpy()
    except DatasetError as error:
        report.problems += error.problems
        return None
