"""Points estimated from images lie near the true surface of the analytic scene."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from radfield_synthetic.points import matte_colors
from radfield_synthetic.surface import sdf

from radfield_core.cameras import project, visible
from radfield_core.config.layers import compose_data
from radfield_core.data import estimated_points as module
from radfield_core.data.estimated_points import EstimatedPoints, estimated_points
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.interfaces.dataparser import open_data_set
from radfield_core.plugins.registry import get_registry


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Sixteen views with alpha, all around."""
    words = ["data.resolution=96", "data.n_train=16", "data.supersample=1", "data.n_val=1", "data.n_test=1"]
    choice, _ = compose_data(get_registry(), "synthetic", words)
    parsed = open_data_set(choice).parse("train")
    images = torch.stack([parsed.images[i] for i in range(16)])
    return replace(parsed, images=MemoryImages(images), depths=None, normals=None)


def pixels(scene: Scene) -> torch.Tensor:
    return torch.stack([scene.images[i] for i in range(len(scene.images))])


def distances(found: EstimatedPoints, scene: Scene) -> torch.Tensor:
    """Distances [P] from the true surface; inside of it, they may be too small."""
    return sdf(found.points.double()).abs()


def without_alpha(scene: Scene) -> Scene:
    """The scene in front of a checkered wall, which is another one in each view."""
    rgba = pixels(scene)
    noise = torch.randint(0, 256, (len(rgba), 12, 12, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    wall = noise.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return replace(scene, images=MemoryImages(torch.where(rgba[..., 3:] > 127, rgba[..., :3], wall)))


def test_points_on_the_visual_hull_are_near_the_surface(scene: Scene) -> None:
    found = estimated_points(scene, 4000, 0)
    assert found is not None and len(found.points) == 4000 and "visual hull of 16 silhouettes" in found.how
    away = distances(found, scene)
    assert float((away < 0.05).float().mean()) > 0.55
    anywhere = replace(found, points=2 * torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) - 1)
    assert float((distances(anywhere, scene) < 0.05).float().mean()) < 0.2


def test_points_of_the_hull_have_the_colors_of_the_surface(scene: Scene) -> None:
    found = estimated_points(scene, 4000, 0)
    assert found is not None
    near = distances(found, scene) < 0.01
    difference = (matte_colors(found.points[near]).int() - found.colors[near].int()).abs().amax(-1).float()
    other = (matte_colors(found.points[near]).int() - found.colors[near].flip(0).int()).abs().amax(-1).float()
    assert int(near.sum()) > 300
    assert float(difference.median()) < 0.6 * float(other.median())


def test_masks_of_the_object_do_as_well_as_alpha(scene: Scene) -> None:
    rgba = pixels(scene)
    masked = replace(scene, images=MemoryImages(rgba[..., :3]), masks=MemoryImages(rgba[..., 3:]), masks_mean="object")
    one, other = estimated_points(scene, 500, 1), estimated_points(masked, 500, 1)
    assert one is not None and other is not None and torch.equal(one.points, other.points)


def test_the_hull_is_inside_every_silhouette(scene: Scene) -> None:
    found = estimated_points(scene, 2000, 0)
    assert found is not None
    for view in range(0, 16, 3):
        seen = found.points[visible(scene.cameras.view(view), found.points)]
        columns, rows = project(scene.cameras.view(view), seen)[0].round().long().unbind(-1)
        assert float((scene.images[view][rows, columns, 3] > 0).float().mean()) > 0.93, "but for rounding at the rim"


def test_where_colors_agree_there_is_a_surface(scene: Scene) -> None:
    found = estimated_points(without_alpha(scene), 4000, 0)
    assert found is not None and "colors of 16 views agree" in found.how
    assert float((distances(found, scene) < 0.05).float().mean()) > 0.4
    anywhere = replace(found, points=2 * torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) - 1)
    assert float((distances(anywhere, scene) < 0.05).float().mean()) < 0.2


def test_few_views_are_compared_with_their_neighbors_among_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few swept views find the surface as well as all do, because their neighbors are as near as before."""
    monkeypatch.setattr(module, "SWEPT_VIEWS", 3)
    found = estimated_points(without_alpha(scene), 10**6, 0)
    assert found is not None and "colors of 16 views agree" in found.how
    assert len(found.points) <= 3 * module.SWEEP_SIDE**2
    assert float((distances(found, scene) < 0.05).float().mean()) > 0.4


def test_the_seed_decides_and_nothing_else(scene: Scene) -> None:
    one, same, other = (estimated_points(scene, 300, seed) for seed in (3, 3, 4))
    assert one is not None and same is not None and other is not None
    assert torch.equal(one.points, same.points) and torch.equal(one.colors, same.colors)
    assert not torch.equal(one.points, other.points)


def test_scenes_that_tell_nothing_have_no_points(scene: Scene) -> None:
    assert estimated_points(without_alpha(scene).only([0]), 100, 0) is None, "one view"
    empty = MemoryImages(torch.zeros(16, 96, 96, 4, dtype=torch.uint8))
    assert estimated_points(replace(scene, images=empty), 100, 0) is None
    assert estimated_points(replace(scene, ndc=True), 100, 0) is None
