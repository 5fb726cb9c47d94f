"""A scene: a choice of its views keeps everything that belongs to them, and points reach the data's coordinates."""

from __future__ import annotations

import dataclasses

import torch

from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_points
from radfield_core.testing.captures import toy_capture


def labeled() -> Scene:
    """Five views, each with its number in everything that a view can have."""
    scene = toy_capture(5, masks=True)
    numbers = [torch.full((2, 2), float(i)) for i in range(5)]
    return dataclasses.replace(
        scene, depths=numbers, normals=numbers, loss_weights=torch.arange(5.0), groups=[str(i) for i in range(5)]
    )


def test_chosen_views_keep_what_belongs_to_them_in_the_chosen_order():
    scene = labeled()
    assert scene.masks is not None
    chosen = scene.only([3, 0])
    assert chosen.names == ["view_003", "view_000"] and chosen.groups == ["3", "0"]
    assert chosen.loss_weights is not None and chosen.loss_weights.tolist() == [3.0, 0.0]
    for images, originals in ((chosen.images, scene.images), (chosen.masks, scene.masks)):
        assert images is not None and len(images) == 2
        assert torch.equal(images[0], originals[3]) and torch.equal(images[1], originals[0])
    for tensors in (chosen.depths, chosen.normals):
        assert tensors is not None and [float(tensor[0, 0]) for tensor in tensors] == [3.0, 0.0]
    assert torch.equal(chosen.cameras.c2w, scene.cameras.c2w[[3, 0]])
    assert (chosen.near, chosen.far, chosen.box, chosen.to_data) == (scene.near, scene.far, scene.box, scene.to_data)


def test_a_view_without_a_name_is_called_by_its_number():
    scene = labeled()
    assert scene.name(2) == "view_002" and dataclasses.replace(scene, names=[]).name(2) == "view 2"


def test_points_reach_the_datas_coordinates_also_through_ndc():
    scene = toy_capture(3, forward=True)
    to_data = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    scene = dataclasses.replace(scene, to_data=to_data)
    world = torch.tensor([[0.1, -0.2, -3.0], [0.5, 0.4, -1.5]], dtype=torch.float64)
    torch.testing.assert_close(scene.data_points(world), 2 * world)
    warped = dataclasses.replace(scene, ndc=True)
    assert scene.warp is None and warped.warp is not None
    (fx, fy, _, _), (width, height) = scene.cameras.intrinsics[0].tolist(), scene.cameras.sizes[0].tolist()
    x, y, z = world.unbind(-1)  # NeRF, appendix C, with the near plane at 1
    ndc = torch.stack([-2 * fx / width * x / z, -2 * fy / height * y / z, 1 + 2 / z], -1)
    torch.testing.assert_close(warped.to_world(ndc), world)
    torch.testing.assert_close(warped.data_points(ndc), transform_points(to_data, world))
