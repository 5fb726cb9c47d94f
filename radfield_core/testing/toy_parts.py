"""Small, fast parts ("toy parts"). A test of one part uses them for all other parts of the run.

The toy parts are `encoding:toy`, `field:toy`, `field:toy-surface`, `rays:toy`, `color:toy`, `dataparser:toy-ball`,
`observer:toy` and `method:toy`. They are declared like the parts of a plugin, but are available only in the conformance
kit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radfield_core.cameras import View
from radfield_core.config.fit import capabilities_of
from radfield_core.config.slots import Choice, option, slot
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.interfaces import (
    BuildContext,
    ColorMap,
    DataParser,
    Encoding,
    Field,
    FittedMap,
    Method,
    Model,
    ObservedRun,
    Observer,
    ParameterGroup,
    RayTransform,
    with_appearance,
)
from radfield_core.interfaces.field import DensityOccupancy
from radfield_core.ops.segments import mean
from radfield_core.plugin import Component, component
from radfield_core.plugins.discovery import Plugin
from radfield_core.testing.toys import SphereField
from radfield_core.testing.training import toy_scene, with_surface
from radfield_core.types import Batch, FieldOutputs, ModelOutputs, RayBundle, RaySamples, Step

DISTRIBUTION = "radfield-toys"


@attrs.frozen(kw_only=True)
class ToyEncodingConfig:
    """Options of encoding:toy."""

    n_frequencies: int = option(3, help="number of frequencies 1, 2, 4, …", min=1, max=10)


class ToyEncoding(Encoding):
    """Encodes a point x as the features x, sin(2^k x) and cos(2^k x).

    A Gaussian is encoded by the expected values of these features (Barron et al. 2021, equation 14).
    """

    def __init__(self, config: ToyEncodingConfig, ctx: BuildContext, *, in_dim: int = 3):
        super().__init__()
        self.scales = [2.0**k for k in range(config.n_frequencies)]
        self.in_dim, self.out_dim = in_dim, in_dim * (1 + 2 * config.n_frequencies)

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the features [M, out_dim] of points x [M, in_dim].

        If `cov` [M, in_dim] is given, return the features of Gaussians with means x and diagonal covariances `cov`.
        """
        parts = [x]
        for scale in self.scales:
            fade = 1.0 if cov is None else torch.exp(-0.5 * scale**2 * cov)
            parts += [fade * torch.sin(scale * x), fade * torch.cos(scale * x)]
        return torch.cat(parts, -1)


@attrs.frozen(kw_only=True)
class ToyFieldConfig:
    """Options of field:toy."""

    encoding: Choice = slot("encoding", default="toy", help="encoding of positions")
    direction_encoding: Choice | None = slot(
        "encoding", default="toy", optional=True, help="encoding of view directions"
    )
    appearance_encoding: Choice | None = slot("encoding", optional=True, help="encoding of the image's number")
    width: int = option(16, help="number of units of the hidden layer", min=1)


class ToyMlp(DensityOccupancy, Field):
    """A perceptron with one hidden layer. It computes density and color from encoded positions and view directions."""

    def __init__(self, config: ToyFieldConfig, ctx: BuildContext):
        super().__init__()
        self.encoding = ctx.encoding(config.encoding, in_dim=3)
        self.gaussian = "gaussians" in capabilities_of(config.encoding)[0]
        self.direction_encoding: Encoding | None = None
        if config.direction_encoding is not None:
            self.direction_encoding = ctx.encoding(config.direction_encoding, in_dim=3)
        self.appearance_encoding: Encoding | None = None
        if config.appearance_encoding is not None:
            self.appearance_encoding = ctx.encoding(config.appearance_encoding, in_dim=1)
        self.hidden = nn.Linear(self.encoding.out_dim, config.width)
        self.density_head = nn.Linear(config.width, 1)
        extra = sum(part.out_dim for part in (self.direction_encoding, self.appearance_encoding) if part is not None)
        self.color_head = nn.Linear(config.width + extra, 3)

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Return density [N] and rgb [N, 3] for N samples."""
        x, cov = samples.gaussians() if self.gaussian else (samples.positions(), None)
        features = self._features(x, cov)
        seen = samples.per_sample(self._seen(samples.rays.viewdirs, samples.rays.image_ids))
        return FieldOutputs(rgb=self._color(features, seen), density=self._density(features))

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the density [M] at x [M, 3]."""
        return self._density(self._features(x, cov))

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the color [M, 3] at x [M, 3].

        If no view directions are given, each point is seen along the direction from the point toward the origin.
        """
        directions = F.normalize(-x, dim=-1) if viewdirs is None else viewdirs
        return self._color(self._features(x, None), self._seen(directions, image_ids))

    def _seen(self, viewdirs: Tensor, image_ids: Tensor | None) -> Tensor:
        """Return the encoded view directions [R, D], followed by the features of the images."""
        encoded = viewdirs[:, :0] if self.direction_encoding is None else self.direction_encoding(viewdirs)
        return with_appearance(encoded, self.appearance_encoding, image_ids)

    def _features(self, x: Tensor, cov: Tensor | None) -> Tensor:
        encoded = self.encoding(x) if cov is None else self.encoding(x, cov)
        return F.softplus(self.hidden(encoded))

    def _density(self, features: Tensor) -> Tensor:
        return F.softplus(self.density_head(features)[:, 0])

    def _color(self, features: Tensor, seen: Tensor) -> Tensor:
        return torch.sigmoid(self.color_head(torch.cat([features, seen], -1)))


@attrs.frozen(kw_only=True)
class ToySurfaceConfig:
    """Options of field:toy-surface."""

    radius: float = option(0.8, help="initial radius", min=0.01)


class ToySurface(SphereField):
    """A field with the signed distance of a sphere. It also provides occupancy and point_color."""

    def __init__(self, config: ToySurfaceConfig, ctx: BuildContext):
        super().__init__(config.radius)

    def occupancy(self, x: Tensor, length: float, cov: Tensor | None = None) -> Tensor:
        """Return the opacity [M] of an interval around each x [M, 3].

        The interval is parallel to the surface normal, and `length` is its length.
        """
        sdf = self.sdf(x)
        before, after = (torch.sigmoid((sdf + sign * 0.5 * length) * self.sharpness) for sign in (1.0, -1.0))
        return ((before - after) / before).clamp(0.0, 1.0)

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Return the color [M, 3] at x [M, 3]. The color encodes the surface normal."""
        return 0.5 + 0.5 * F.normalize(self.gradient(x), dim=-1)


@attrs.frozen(kw_only=True)
class ToyShiftConfig:
    """Options of rays:toy."""

    scale: float = option(0.1, help="shift for a parameter of 1, in scene units", min=0, exclusive_min=True)


class ToyShift(RayTransform):
    """Moves each training camera by a vector of its own, in the directions of the scene's axes."""

    def __init__(self, config: ToyShiftConfig, ctx: BuildContext):
        super().__init__()
        self.scale = config.scale
        self.shifts = nn.Parameter(torch.zeros(ctx.n_images, 3))

    def forward(self, rays: RayBundle) -> RayBundle:
        """Return rays whose origins are moved."""
        ids = rays.image_ids
        return rays if ids is None else replace(rays, origins=rays.origins + self.shift(ids).to(rays.origins))

    def views(self, views: Sequence[View]) -> list[View]:
        """Return views whose centers are moved."""
        ids = torch.tensor([-1 if view.image_id is None else view.image_id for view in views])
        shifts = self.shift(ids.to(self.shifts.device))
        return [
            replace(view, c2w=torch.cat([view.c2w[:, :3], view.c2w[:, 3:] + shift[:, None].to(view.c2w)], 1))
            for view, shift in zip(views, shifts, strict=True)
        ]

    def shift(self, ids: Tensor) -> Tensor:
        """Return the shift [R, 3] of images with the numbers `ids` [R]. It is 0 for unknown images."""
        n = len(self.shifts)
        known = (ids >= 0) & (ids < n)
        return self.scale * self.shifts[ids.clamp(0, n - 1)] * known[:, None]


@attrs.frozen(kw_only=True)
class ToyColorConfig:
    """Options of color:toy."""

    rate: float = option(1e-2, help="learning rate of the gains", min=0)


class Gains(ColorMap):
    """Multiplies the colors of each image by a gain. The mean of the logarithms of all gains is 0."""

    def __init__(self, config: ToyColorConfig, ctx: BuildContext):
        super().__init__()
        self.rate = config.rate
        self.log_gains = nn.Parameter(torch.zeros(ctx.n_images))

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return one group without weight decay."""
        return [ParameterGroup("color", [self.log_gains], lr=self.rate, weight_decay=0.0)]

    def forward(self, rgb: Tensor, image_ids: Tensor | None, pixels: Tensor) -> Tensor:
        """Multiply colors [R, 3] by the gains of their images."""
        if image_ids is None:
            return rgb
        gains = (self.log_gains - self.log_gains.mean()).exp()
        return rgb * gains[image_ids, None].to(rgb)

    def fit(self, rgb: Tensor, truth: Tensor, pixels: Tensor) -> FittedMap:
        """Return the gain with the smallest squared error."""
        gain = (rgb * truth).sum() / rgb.square().sum() if bool((rgb > 0).any()) else 1.0
        return lambda rgb, pixels: rgb * gain


@attrs.frozen(kw_only=True)
class ToyBallConfig:
    """Options of dataparser:toy-ball."""

    n_views: int = option(6, help="number of views; their cameras stand on a circle", min=1)
    size: int = option(16, help="width and height of the images in pixels", min=4)


class ToyBallParser(DataParser):
    """The dataparser of the toy ball. The scene shows a ball of radius 1, whose colors encode its normals. Depths,
    normals and points of the ball are known.

    Every split has the same views. Scene coordinates and data coordinates are equal.
    """

    config: ToyBallConfig

    def parse(self, split: str) -> Scene:
        """Return the scene of the split "train", "val" or "test"."""
        if split not in self.splits:
            splits = ", ".join(self.splits)
            raise DatasetError(f"there is no split {split!r}; the splits are {splits}", path="data.type=toy-ball")
        scene = with_surface(toy_scene(self.config.n_views, self.config.size))
        return replace(scene, names=[f"{split}/{i}" for i in range(self.config.n_views)])


@attrs.frozen(kw_only=True)
class ToyMethodConfig:
    """Options of method:toy."""

    lr: float = option(1e-3, help="learning rate", min=0, exclusive_min=True)


class SquaredError(Method):
    """A method with a white background. Its losses are the mean squared pixel errors of the levels."""

    config: ToyMethodConfig

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        """Return a white background [n, 3]."""
        return torch.ones(n, 3, device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Return one loss for each level that is rendered in color."""
        pixels = [rgb for level in outputs.levels if level.rendered and (rgb := level.rendered.rgb) is not None]
        return {f"rgb{i}": mean((rgb - batch.rgb).square().mean(-1)) for i, rgb in enumerate(pixels)}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group that contains all parameters."""
        return [{"name": "all", "params": list(model.parameters()), "lr": self.config.lr}]

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which the learning rate is multiplied. It decays from 1 at the start to 0.5 at the
        end."""
        return math.exp(-math.log(2.0) * step.progress)


@attrs.frozen(kw_only=True)
class ToyObserverConfig:
    """Options of observer:toy."""

    file: str = option("steps.txt", help="name of the file in the run's folder")


class Steps(Observer):
    """An observer that writes the number of each logged step to a file in the run's folder."""

    config: ToyObserverConfig

    def started(self, run: ObservedRun) -> None:
        """Begin the file."""
        self.path = run.folder / self.config.file
        self.path.write_text("")

    def step_ended(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add a line."""
        with self.path.open("a") as file:
            file.write(f"{step}\n")


def toy_plugin() -> Plugin:
    """Return the plugin that offers the toy parts. It can be added to a registry."""
    here, photometric = __name__, {"field": {"density|alpha", "rgb"}}
    growing = "radfield_core.testing.toy_growing"
    everything = {"density", "rgb", "occupancy", "point_color"}
    parts = [
        component("dataparser", "toy-ball", impl=f"{here}:ToyBallParser", config=f"{here}:ToyBallConfig",
                  summary="a ball whose colors are its normals",
                  provides={"images", "bounded", "depths", "normals", "sparse_points", "observations"}),
        component("encoding", "toy", impl=f"{here}:ToyEncoding", config=f"{here}:ToyEncodingConfig",
                  summary="sines and cosines",
                  provides={"points", "gaussians", "directions", "any_dim", "grad", "grad2"}),
        component("field", "toy", impl=f"{here}:ToyMlp", config=f"{here}:ToyFieldConfig", provides=everything,
                  summary="a small network",
                  requires={"encoding": {"points|gaussians"}, "direction_encoding": {"directions"},
                            "appearance_encoding": {"images"}}),
        component("field", "toy-surface", impl=f"{here}:ToySurface", config=f"{here}:ToySurfaceConfig",
                  summary="a sphere",
                  provides={"alpha", "rgb", "sdf", "normals", "occupancy", "point_color"}),
        component("rays", "toy", impl=f"{here}:ToyShift", config=f"{here}:ToyShiftConfig",
                  summary="a shift of each camera", provides={"poses"}),
        component("color", "toy", impl=f"{here}:Gains", config=f"{here}:ToyColorConfig",
                  summary="a gain for each image"),
        component("observer", "toy", impl=f"{here}:Steps", config=f"{here}:ToyObserverConfig",
                  summary="writes the logged steps"),
        component("field", "toy-grid", impl=f"{growing}:ToyGrid", config=f"{growing}:ToyGridConfig",
                  summary="a grid that becomes finer", provides=everything),
        component("method", "toy-painter", impl=f"{growing}:ToyPainter", config=f"{growing}:ToyPainterConfig",
                  summary="stripes, with its own model", slots=(), provides={"point_color"}),
        component("method", "toy", impl=f"{here}:SquaredError", config=f"{here}:ToyMethodConfig",
                  summary="squared error", requires=photometric, preset="radfield_core.testing:toy.toml"),
    ]  # fmt: skip
    owned: tuple[Component, ...] = tuple(part._replace(distribution=DISTRIBUTION, plugin="toys") for part in parts)
    return Plugin("toys", DISTRIBUTION, "0", here, "ok", components=owned)
