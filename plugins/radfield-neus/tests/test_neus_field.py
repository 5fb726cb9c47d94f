"""The NeuS field and model: initialization, derivatives, and a comparison with the paper's forward pass in float64."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from radfield_neus.config import NeuSConfig
from radfield_neus.method import NeuS
from torch import Tensor
from torch.nn import functional as F

from radfield_core import (
    Batch,
    BuildContext,
    Model,
    RayBundle,
    SceneBox,
    Schedule,
    Step,
    UsageError,
    compose,
    compose_part,
    get_registry,
)
from radfield_core.builtin.config import VolumeConfig
from radfield_core.builtin.volume import Volume
from radfield_core.model import LevelLoop
from radfield_core.train.planned_rates import planned_rates

MLP: tuple[str, ...] = ()
HASH = (
    "encoding={type='hash', n_levels=8, log2_table_size=14, finest_resolution=256}", "width=64", "n_layers=1",
    "skip_layer=none", "n_features=13", "unit_normals=true", "color_width=64", "color_layers=2",
)  # fmt: skip


def make(kind: str, name: str, *words: str, radius: float = 1.0, **context: Any):
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), radius, "sphere"), **context)
    return ctx.make(compose_part(get_registry(), kind, name, words))


def sphere_points(n: int, radius: float = 1.0) -> Tensor:
    return radius * F.normalize(torch.randn(n, 3, generator=torch.Generator().manual_seed(5)), dim=-1)


@pytest.mark.parametrize("words", [MLP, HASH], ids=["mlp", "hash"])
@pytest.mark.parametrize("radius", [1.0, 1.7])
def test_the_initial_surface_is_closed_around_the_center_for_twenty_seeds(words, radius: float) -> None:
    directions = sphere_points(200)
    steps = torch.linspace(0.05, 1.0, 20) * radius
    with torch.no_grad():
        for seed in range(20):
            torch.manual_seed(seed)
            field = make("field", "neus", *words, radius=radius)
            assert field.sdf(torch.zeros(1, 3)) < 0
            assert (field.sdf(directions * radius) > 0).all()
            along = field.sdf((directions[:, None] * steps[:, None]).view(-1, 3)).view(200, 20)
            crossing = steps[(along > 0).to(torch.int).argmax(dim=1)]
            assert abs(crossing.mean() / radius - 0.5) < 0.25


@pytest.mark.parametrize(
    ("words", "path", "hint"),
    [
        (("width=8",), "field.width", "field.width=40"),
        (("width=39",), "field.width", "field.width=40"),  # exactly as many as there are inputs
        (("width=12", "encoding.n_frequencies=2"), "field.width", "field.skip_layer=none"),
        (("softplus_beta=1e-6", "width=64"), "field", "softplus_beta"),
        (("softplus_beta=1e4", "width=2", "n_layers=30", "skip_layer=none"), "field", "a larger width"),
    ],
)
def test_sizes_that_allow_no_network_or_no_initial_sphere_are_usage_errors(
    words: tuple[str, ...], path: str, hint: str
) -> None:
    torch.manual_seed(0)
    with pytest.raises(UsageError) as raised:
        make("field", "neus", *words)
    (problem,) = raised.value.problems
    assert problem.path == path and hint in problem.hint


@pytest.mark.parametrize("words", [("width=40",), ("width=8", "skip_layer=none"), ("width=8", "n_layers=4")])
def test_the_smallest_allowed_networks_give_finite_distances(words: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    sdf = make("field", "neus", *words, "color_width=1", "color_layers=1").sdf(sphere_points(20))
    assert sdf.shape == (20,) and sdf.isfinite().all()


@pytest.mark.parametrize("words", [MLP, HASH], ids=["mlp", "hash"])
def test_analytic_normals_equal_finite_differences(words) -> None:
    torch.manual_seed(0)
    field = make("field", "neus", *words).double()
    with torch.no_grad():
        for parameter in field.encoding.parameters():
            parameter.normal_(0, 0.05)
    x = sphere_points(60, 0.6).double() + 0.1234
    step = 1e-6
    expected = torch.stack(
        [(field.sdf(x + step * e) - field.sdf(x - step * e)) / (2 * step) for e in torch.eye(3).double()], dim=-1
    )
    with torch.no_grad():
        torch.testing.assert_close(field.gradient(x), expected, atol=1e-3, rtol=1e-3)
    by_taps = make("field", "neus", *words, "normals=finite_differences", "fd_step=1e-5").double()
    by_taps.load_state_dict(field.state_dict())
    torch.testing.assert_close(by_taps.gradient(x), expected, atol=2e-3, rtol=1e-3)


def rays_of(n: int, dtype=torch.float32) -> RayBundle:
    generator = torch.Generator().manual_seed(1)
    eye = F.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1) * 2.2
    target = 0.3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    directions = F.normalize(target - eye, dim=-1)
    ones = torch.ones(n, dtype=torch.float64)
    parts = (part.to(dtype) for part in (eye, directions, directions, 0.5 * ones, 6 * ones, 1e-3 * ones))
    return RayBundle(*parts)


def eikonal(model: Model, batch: Batch) -> Tensor:
    outputs = model.trace(batch.rays, None)
    return model.main_field.losses(outputs, batch, Step(0, 10, 0))["eikonal"]


def test_the_eikonal_loss_trains_through_the_hash_grid() -> None:
    torch.manual_seed(0)
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0, "sphere"))
    field = make("field", "neus", *HASH).double()
    sampler = make("sampler", "neus", "n_samples=6", "n_importance=0").double()
    model = LevelLoop([field], sampler, Volume(VolumeConfig(), ctx)).eval()
    rays = rays_of(5, torch.float64)
    batch = Batch(rays=rays, view=None, rgb=torch.zeros(5, 3).double())
    with torch.no_grad():  # at the start the network does not look at the features
        for parameter in field.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    table = next(iter(field.encoding.parameters()))
    (slope,) = torch.autograd.grad(eikonal(model, batch), table)
    assert slope.abs().sum() > 0
    flat, step = table.data.view(-1), 1e-5
    for index in slope.abs().view(-1).topk(5).indices.tolist():
        kept = flat[index].item()
        flat[index] = kept + step
        more = eikonal(model, batch)
        flat[index] = kept - step
        less = eikonal(model, batch)
        flat[index] = kept
        assert slope.view(-1)[index].item() == pytest.approx(((more - less) / (2 * step)).item(), rel=1e-4)


def encoded(x: Tensor, n: int, identity: bool) -> Tensor:
    parts = [x] if identity else []
    for k in range(n):
        parts += [(x * 2.0**k).sin(), (x * 2.0**k).cos()]
    return torch.cat(parts, dim=-1)


def restated(field, rays: RayBundle, edges: Tensor, anneal: float) -> dict[str, Tensor]:
    """Compute the paper's networks, α and compositing in plain form, from the weights of the field."""
    starts, ends = edges[:, :-1], edges[:, 1:]
    t = (starts + ends) / 2
    x = (rays.origins[:, None] + rays.directions[:, None] * t[..., None]).view(-1, 3).detach().requires_grad_()
    layers = [(layer.weight, layer.bias) for layer in field.distance.layers]
    inputs = torch.cat([x, encoded(x, 6, identity=False)], dim=-1)
    h = inputs
    for index, (weight, bias) in enumerate(layers):
        if index == 4:
            h = torch.cat([h, inputs], dim=-1) / math.sqrt(2)
        h = h @ weight.t() + bias
        if index < 8:
            h = torch.where(h * 100 > 30, h, torch.log1p(torch.exp((h * 100).clamp(max=30))) / 100)
    sdf, features = h[:, 0], h[:, 1:]
    (gradient,) = torch.autograd.grad(sdf.sum(), x, create_graph=True)
    directions = rays.directions[:, None].expand(*t.shape, 3).reshape(-1, 3)
    h = torch.cat([x, encoded(directions, 4, identity=True), gradient, features], dim=-1)
    for index, layer in enumerate(field.color.layers):
        h = h @ layer.weight.t() + layer.bias
        h = h.relu() if index < 4 else 1 / (1 + (-h).exp())
    rgb = h.view(*t.shape, 3)
    inv_s = (10 * field.sharpness_log).exp()
    cosine = (directions * gradient).sum(-1)
    slope = -((0.5 - 0.5 * cosine).relu() * (1 - anneal) + (-cosine).relu() * anneal)
    length = (ends - starts).reshape(-1)
    before = torch.sigmoid((sdf - slope * length / 2) * inv_s)
    after = torch.sigmoid((sdf + slope * length / 2) * inv_s)
    alpha = ((before - after + 1e-5) / (before + 1e-5)).clamp(0, 1).view(t.shape)
    weights = torch.zeros_like(alpha)
    for ray in range(len(alpha)):
        free = torch.ones((), dtype=alpha.dtype)
        row = []
        for i in range(alpha.shape[1]):
            row.append(free * alpha[ray, i])
            free = free * (1 - alpha[ray, i])
        weights[ray] = torch.stack(row)
    off = (gradient.norm(dim=-1) - 1) ** 2
    near = x.norm(dim=-1) < 1.2
    return {
        "rgb": (weights[..., None] * rgb).sum(1),
        "opacity": weights.sum(1),
        "eikonal": 0.1 * (off * near).sum() / near.sum(),
    }


@pytest.mark.parametrize("anneal", [0.0, 0.4, 1.0])
def test_the_papers_forward_pass_losses_and_gradients_in_float64(anneal: float) -> None:
    torch.manual_seed(3)
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0, "sphere"))
    field = make("field", "neus").double()
    sampler = make("sampler", "neus").double().eval()
    model = LevelLoop([field], sampler, Volume(VolumeConfig(), ctx)).train()
    sampler.eval()
    rays = rays_of(3, torch.float64)
    generator = torch.Generator().manual_seed(2)
    target = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    batch = Batch(rays=rays, view=None, rgb=target, mask=mask)
    field.anneal.fill_(anneal)
    outputs = model.trace(rays, None)
    step = Step(0, 300_000, 0)
    losses = NeuS(NeuSConfig(mask=Schedule.of(0.1))).losses(outputs, batch, model, step) | field.losses(
        outputs, batch, step
    )
    total = sum(losses.values())
    parameters = list(field.parameters())
    grads = torch.autograd.grad(total, parameters, allow_unused=True)

    expected = restated(field, rays, outputs.levels[0].samples.edges(), anneal)
    torch.testing.assert_close(outputs.rendered.rgb, expected["rgb"], atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(outputs.rendered.opacity, expected["opacity"], atol=1e-8, rtol=1e-8)
    counted = (mask > 0.5).double()
    photometric = ((expected["rgb"] - target).abs() * counted[:, None]).sum() / (counted.sum() + 1e-5)
    o = expected["opacity"].clamp(1e-3, 1 - 1e-3)
    bce = -(counted * o.log() + (1 - counted) * (1 - o).log()).mean()
    assert losses["rgb"].item() == pytest.approx(photometric.item(), rel=1e-8)
    assert losses["mask"].item() == pytest.approx(0.1 * bce.item(), rel=1e-8)
    assert losses["eikonal"].item() == pytest.approx(expected["eikonal"].item(), rel=1e-8)
    expected_grads = torch.autograd.grad(photometric + 0.1 * bce + expected["eikonal"], parameters, allow_unused=True)
    for found, wanted in zip(grads, expected_grads, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None:
            torch.testing.assert_close(found, wanted, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(
    "words",
    [MLP, HASH, (*HASH, "normals=finite_differences", "curvature=0.7", "sparsity=0.3"), ("encoding=ipe",)],
    ids=["mlp", "hash", "differences", "ipe"],
)
@pytest.mark.parametrize("scale", [0.01, 0.5, 1.7, 100.0])
def test_the_field_and_its_losses_are_those_of_the_unit_sphere_at_every_scale(words, scale: float) -> None:
    """The code of NeuS scales every scene to the unit sphere, in which its networks, samples and losses are defined."""
    center = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64) * scale
    found = []
    for middle, radius in ((torch.zeros(3), 1.0), (center, scale)):
        ctx = BuildContext(bounds=SceneBox(middle, radius, "sphere"))
        torch.manual_seed(0)
        field = ctx.make(compose_part(get_registry(), "field", "neus", words)).double()
        field.center = middle.double()
        with torch.no_grad():  # at the start the network does not look at the features
            for parameter in field.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, dtype=torch.float64))
        sampler = ctx.make(compose_part(get_registry(), "sampler", "neus", ("n_samples=8", "n_importance=8"))).double()
        sampler.center = middle.double()
        model = LevelLoop([field], sampler, Volume(VolumeConfig(), ctx)).eval()
        unit = rays_of(6, torch.float64)
        rays = dataclasses.replace(
            unit, origins=middle + radius * unit.origins, near=radius * unit.near, far=radius * unit.far
        )
        batch = Batch(rays=rays, view=None, rgb=torch.zeros(6, 3))
        outputs = model.trace(rays, None)
        losses = field.losses(outputs, batch, Step(0, 10, 0))
        found.append(
            {
                "t": outputs.levels[0].samples.t_eval / radius,
                "sdf": outputs.levels[0].outputs.sdf / radius,
                "gradients": outputs.levels[0].outputs.gradients,
                "weights": outputs.levels[0].weights,
                "rgb": outputs.rendered.rgb,
                "occupancy": field.occupancy(middle + radius * unit.origins, 0.1 * radius),
                **losses,
            }
        )
    assert found[0].keys() == found[1].keys() and len(found[0]) >= 7
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, atol=1e-5, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_the_fields_losses_are_means_over_the_points_of_all_its_levels() -> None:
    """With sampler:mip, one field is evaluated on two levels. The second level must not replace the first."""
    torch.manual_seed(0)
    words = ("normals=finite_differences", "sparsity=0.3", "sparsity_scale=2", "curvature=0.7", "eikonal=0.5")
    field = make("field", "neus", *HASH, *words, radius=1.3)
    with torch.no_grad():  # at the start slopes are nearly one, and levels nearly agree
        for parameter in field.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.3, "sphere"))
    model = LevelLoop([field], make("sampler", "mip", "n_samples=9"), Volume(VolumeConfig(), ctx)).eval()
    batch = Batch(rays=rays_of(6), view=None, rgb=torch.zeros(6, 3))
    outputs = model.trace(batch.rays, None)
    off, near, close, bent = [], [], [], []
    for level in outputs.levels:
        x, found = level.samples.positions(), level.outputs
        for i in range(level.samples.n):
            near.append(math.dist(x[i].tolist(), (0, 0, 0)) < 1.2 * 1.3)
            off.append((math.dist(found.gradients[i].tolist(), (0, 0, 0)) - 1) ** 2 * near[-1])
            close.append(math.exp(-2 * abs(found.sdf[i].item()) / 1.3))
            bent.append(abs(found.extras["neus.laplacian"][i].item()))
    assert len(off) == 2 * 6 * 9 and 0 < sum(near) < len(near)
    losses = model.part_losses(outputs, batch, Step(0, 10, 0))
    assert losses["eikonal"].item() == pytest.approx(0.5 * sum(off) / sum(near), rel=1e-4)
    assert losses["sparsity"].item() == pytest.approx(0.3 * sum(close) / len(close), rel=1e-4)
    assert losses["curvature"].item() == pytest.approx(1.3 * 0.7 * sum(bent) / len(bent), rel=1e-4)
    assert abs(sum(off[:54]) / sum(near[:54]) / (sum(off) / sum(near)) - 1) > 0.01, "the levels can be told apart"
    turned = dataclasses.replace(outputs, levels=outputs.levels[::-1])
    for name, loss in field.losses(turned, batch, Step(0, 10, 0)).items():
        torch.testing.assert_close(loss, losses[name])


def test_every_parameter_has_a_gradient_and_no_rays_give_finite_losses() -> None:
    torch.manual_seed(0)
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0, "sphere"))
    for words in (MLP, HASH, (*HASH, "normals=finite_differences", "curvature=0.1", "sparsity=0.1")):
        field = make("field", "neus", *words)
        model = LevelLoop(
            [field], make("sampler", "neus", "n_samples=8", "n_importance=8"), Volume(VolumeConfig(), ctx)
        )
        model.begin_step(Step(5, 10, 0))
        for n in (0, 6):
            batch = Batch(rays=rays_of(6)[:n], view=None, rgb=torch.full((n, 3), 0.5))
            outputs = model.trace(batch.rays, None)
            losses = field.losses(outputs, batch, Step(5, 10, 0))
            total = (outputs.rendered.rgb - batch.rgb).square().sum() + sum(losses.values())
            assert total.isfinite()
        grads = torch.autograd.grad(total, list(field.parameters()))
        assert all(grad.isfinite().all() for grad in grads)


def test_the_background_stack_is_sampled_only_outside_the_sphere() -> None:
    torch.manual_seed(0)
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0, "sphere"))
    outside = LevelLoop(
        [make("field", "inverted-sphere", "width=16", "n_layers=2", "skip_layer=none")],
        make("sampler", "inverted-sphere"),
        Volume(VolumeConfig(), ctx),
    )
    model = LevelLoop([make("field", "neus")], make("sampler", "neus"), Volume(VolumeConfig(), ctx), outside).eval()
    outputs = model.trace(rays_of(4), None)
    assert outputs.background is not None
    t = outputs.background.levels[0].samples
    _, far = model.sampler.extent(rays_of(4))
    assert (t.dense(t.t_starts)[:, 0] >= far - 1e-5).all() and t.t_ends.isfinite().all()
    transmitted = 1 - outputs.rendered.opacity
    torch.testing.assert_close(
        outputs.rendered.rgb - transmitted[:, None] * outputs.background.rendered.rgb,
        (outputs.levels[0].weights.view(4, -1, 1) * outputs.levels[0].outputs.rgb.view(4, -1, 3)).sum(1),
        atol=1e-5,
        rtol=1e-4,
    )


def test_a_room_starts_with_the_opposite_sign() -> None:
    torch.manual_seed(3)
    outward = make("field", "neus", *HASH)
    torch.manual_seed(3)
    inward = make("field", "neus", *HASH, "inside_out=true")
    x = torch.rand(200, 3) * 2 - 1
    torch.testing.assert_close(inward.sdf(x), -outward.sdf(x))
    assert inward.sdf(torch.zeros(1, 3)) > 0
    torch.testing.assert_close(inward._distance(x)[1], outward._distance(x)[1])


@pytest.mark.parametrize("radius", [1.0, 1.7])
def test_the_progressive_step_of_finite_differences_is_a_cell_of_the_finest_level_in_use(radius: float) -> None:
    words = ("normals=finite_differences", "fd_step=progressive")
    grid = "{type='hash', n_levels=3, base_resolution=16, finest_resolution=64, start_levels=1, steps_per_level=10}"
    field = make("field", "neus", f"encoding={grid}", "n_layers=1", "skip_layer=none", *words, radius=radius)
    for index, cells in ((0, 16), (10, 32), (25, 64)):
        for part in (field.encoding, field):
            part.begin_step(Step(index, 100, 0))
        assert float(field.fd_step) == pytest.approx(2 * radius / cells, rel=1e-5)
    with pytest.raises(UsageError, match="encoding:frequency has no grid") as caught:
        make("field", "neus", *words)
    assert caught.value.problems[0].path == "field.fd_step"


def test_the_sharpness_stays_below_its_scheduled_limit() -> None:
    field = make("field", "neus", *HASH, "max_sharpness=[100, 50.0, 500.0, 200]")
    with torch.no_grad():
        field.sharpness_log.fill_(0.6)  # exp(6) = 403
    for index, expected in ((0, 50.0), (150, 275.0), (1000, math.exp(6))):
        field.begin_step(Step(index, 2000, 0))
        assert field.sharpness.item() == pytest.approx(expected, rel=1e-5)


def test_without_a_direction_encoding_colors_do_not_depend_on_the_direction() -> None:
    field = make("field", "neus", *HASH, "direction_encoding=none")
    x = torch.rand(20, 3) - 0.5
    d = F.normalize(torch.randn(20, 3), dim=-1)
    assert torch.equal(field.point_color(x, d), field.point_color(x, -d))


def test_rates_and_decay_by_group() -> None:
    words = [*(f"field.{word}" for word in HASH), "background.field=ngp",
             "background.sampler=inverted-sphere", "method.lr_color=1e-3", "method.lr_background=1e-4",
             "method.lr_sharpness=1e-5", "method.lr=1e-2", "method.weight_decay=0.01"]  # fmt: skip
    run = compose(get_registry(), method="neus-fast", overrides=words, needs_data=False).run
    found = {(group.name, group.rates[0], group.weight_decay): group.size for group in planned_rates(run)}
    warm = 1 / run.method.config.warmup_steps
    by_name = {name: (pytest.approx(rate * warm), decay) for name, rate, decay in
               (("networks", 1e-2, 0.01), ("encodings", 1e-2, 0.0), ("color", 1e-3, 0.01), ("background", 1e-4, 0.01),
                ("background.encodings", 1e-4, 0.0), ("sharpness", 1e-5, 0.01))}  # fmt: skip
    assert {name: (rate, decay) for name, rate, decay in found} == by_name
    assert next(size for (name, *_), size in found.items() if name == "sharpness") == 1
