"""Parts with one fault each, beside the law that must catch it. Every fault is one that somebody made somewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import attrs
import numpy as np
import torch
import torch.nn.functional as F
from radfield_blender.convert_multiscale import MultiscaleConverter
from radfield_blender.tiny_nerf import TinyNerfParser
from radfield_blender.writer import write_blender
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.metrics import Chamfer

from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.config.slots import option
from radfield_core.errors import NoSurface
from radfield_core.images import MemoryImages
from radfield_core.ops import segments, volume
from radfield_core.testing.toy_parts import SquaredError, ToyEncoding, ToyMlp, ToySurface
from radfield_core.types import Step

CAUGHT_BY: dict[str, tuple[str, str, dict[str, Any]]] = {}
"""Class or attribute here -> the part it is made from, the law that must catch it, and changes of the declaration."""


def caught_by(law: str, base: str, **changes: Any):
    def remember(mutant: Any) -> Any:
        CAUGHT_BY[mutant.__name__] = (base, law, changes)
        return mutant

    return remember


# Encodings


@caught_by("rows_come_first", "encoding:toy")
class ForgetsRowsWhenThereAreNone(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, cov) if len(x) else x.new_zeros(self.out_dim)


@caught_by("any_dimension_is_encoded", "encoding:toy")
class CountsOnThreeCoordinates(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x * x.new_ones(3), cov)


@caught_by("a_row_does_not_see_the_others", "encoding:toy")
class NormalisesOverTheBatch(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward((x - x.mean(0)) if len(x) else x, cov)


@caught_by("grad_is_true", "encoding:toy")
class DetachesPositions(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.detach(), cov)


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return 2.0 * g


@caught_by("grad_is_true", "encoding:toy")
class HasTwiceTheDerivative(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(_Doubled.apply(x), cov)


class _OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(3.0 * x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3.0 * torch.cos(3.0 * x).detach() * g


@caught_by("grad2_is_true", "encoding:toy")
class CannotBeDifferentiatedTwice(ToyEncoding):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.out_dim = in_dim

    def forward(self, x, cov=None):
        return _OnceOnly.apply(x)


@caught_by("gaussians_agree_with_monte_carlo", "encoding:toy")
class TakesVariancesForDeviations(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, None if cov is None else cov.square())


@caught_by("a_vanishing_gaussian_is_a_point", "encoding:toy")
class FadesEveryGaussian(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, None if cov is None else cov + 0.01)


@caught_by("dtype_is_kept", "encoding:toy")
class AlwaysWorksInSinglePrecision(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.float(), cov)


@caught_by("device_is_kept", "encoding:toy")
class MakesConstantsOnTheDefaultDevice(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x + torch.zeros(3), cov)


@caught_by("state_survives_a_round_trip", "encoding:toy")
class KeepsItsOffsetInAnAttribute(ToyEncoding):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.offset = float(torch.rand(()))

    def forward(self, x, cov=None):
        return super().forward(x + self.offset, cov)


@caught_by("same_seed_same_part", "encoding:toy")
class DrawsItsOffsetFromTheClock(KeepsItsOffsetInAnAttribute):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.offset = float(np.random.default_rng().random())


@caught_by("inputs_are_left_alone", "encoding:toy")
class WritesOnItsInput(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.add_(0.1), cov)


@caught_by("begin_step_is_a_function_of_the_step", "encoding:toy")
class CountsItsSteps(ToyEncoding):
    strength = 1.0

    def begin_step(self, step: Step) -> None:
        self.strength *= 0.5

    def forward(self, x, cov=None):
        return super().forward(self.strength * x, cov)


@caught_by("evaluation_is_not_random", "encoding:toy")
class IsNoisyInEvaluation(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x + 1e-3 * torch.randn_like(x), cov)


# Options


@attrs.frozen(kw_only=True)
class RoundingConfig:
    n_frequencies: int = attrs.field(default=4, converter=lambda n: n - n % 2, metadata={"help": "an even number"})


@attrs.frozen(kw_only=True)
class ForgetfulConfig:
    n_frequencies: int = option(3, help="frequencies")
    derived: int = attrs.field(init=False, default=7, metadata={"help": "set afterwards"})

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "derived", id(self) % 1000)


@attrs.frozen(kw_only=True)
class SilentConfig:
    n_frequencies: int = attrs.field(default=3)


@attrs.frozen(kw_only=True)
class OutsideConfig:
    n_frequencies: int = option(3, help="frequencies", min=5)


CAUGHT_BY |= {
    "RoundingConfig": ("encoding:toy", "options_survive_a_round_trip", {}),
    "ForgetfulConfig": ("encoding:toy", "options_survive_a_round_trip", {}),
    "SilentConfig": ("encoding:toy", "options_are_documented", {}),
    "OutsideConfig": ("encoding:toy", "options_are_documented", {}),
}


@caught_by("what_is_named_exists", "encoding:toy")
class IsNoEncoding(torch.nn.Module):
    pass


# Fields


def _with(outputs, **changes):
    return replace(outputs, **changes)


@caught_by("samples_come_first", "field:toy")
class KeepsATrailingDimension(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, density=found.density[:, None])


@caught_by("outputs_are_in_their_ranges", "field:toy")
class HasNegativeDensity(ToyMlp):
    def _density(self, features):
        return self.density_head(features)[:, 0] - 1.0


@caught_by("what_is_declared_is_given", "field:toy")
class PromisesColour(ToyMlp):
    def forward(self, samples):
        return _with(super().forward(samples), rgb=None)


@caught_by("samples_follow_their_rays", "field:toy")
class TilesDirections(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        encoded = self.direction_encoding(samples.rays.viewdirs)
        times = samples.n // max(len(samples.rays), 1)
        features = self._features(*(samples.gaussians() if self.gaussian else (samples.positions(), None)))
        return _with(found, rgb=self._color(features, encoded.repeat(times, 1)))


@caught_by("a_ray_does_not_see_the_others", "field:toy")
class DividesByTheLargestDensity(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, density=found.density / found.density.max()) if samples.n else found


@caught_by("dense_equals_packed", "field:toy")
class TreatsPackedSamplesOtherwise(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return found if samples.packing is None else _with(found, density=0.9 * found.density)


@caught_by("density_is_what_forward_gives", "field:toy")
class AnswersWithTheRawDensity(ToyMlp):
    def density(self, x, cov=None):
        return self.density_head(self._features(x, cov))[:, 0]


@caught_by("occupancy_is_an_opacity", "field:toy")
class ForgetsTheLength(ToyMlp):
    def occupancy(self, x, length, cov=None):
        return 1 - torch.exp(-self.density(x, cov))


@caught_by("point_color_is_a_colour", "field:toy")
class AnswersWithRawColour(ToyMlp):
    def point_color(self, x, viewdirs=None, image_ids=None):
        return torch.logit(super().point_color(x, viewdirs))


@caught_by("evaluation_leaves_no_graph", "field:toy")
class KeepsTheGraphInEvaluation(ToyMlp):
    def forward(self, samples):
        with torch.enable_grad():
            return super().forward(samples)


@caught_by("three_steps_lower_the_loss", "field:toy")
class NeverLearns(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, rgb=found.rgb.detach(), density=found.density.detach())


@caught_by("three_steps_lower_the_loss", "field:toy")
class LearnsBackwards(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, rgb=_Reversed.apply(found.rgb), density=_Reversed.apply(found.density))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return -g


@caught_by("resuming_is_bit_equal", "field:toy")
class CountsForwardsInAnAttribute(ToyMlp):
    calls = 0

    def forward(self, samples):
        self.calls += self.training
        found = super().forward(samples)
        return _with(found, rgb=0.9 * found.rgb + 0.1 / (1 + self.calls))


@caught_by("sdf_has_its_sign_and_slope", "field:toy-surface")
class IsInsideOut(ToySurface):
    def sdf(self, x):
        return -super().sdf(x)


@caught_by("sdf_has_its_sign_and_slope", "field:toy-surface")
class MeasuresInMillimetres(ToySurface):
    def sdf(self, x):
        return 1000.0 * super().sdf(x)


@caught_by("gradient_is_that_of_the_distance", "field:toy-surface")
class AlwaysNormalisesItsGradient(ToySurface):
    def gradient(self, x):
        return F.normalize(super().gradient(x), dim=-1)


# Samplers


@caught_by("samples_are_sorted", "sampler:importance")
class GoesFromFarToNear(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        return replace(found, **{n: found.dense(getattr(found, n)).flip(1).reshape(-1)
                                 for n in ("t_starts", "t_ends", "t_eval")})  # fmt: skip


@caught_by("samples_are_sorted", "sampler:importance")
class DoesNotSortWhatItMerges(Importance):
    def _refined(self, prev, level):
        t = super()._refined(prev, level)
        return torch.cat([t[:, ::2], t[:, 1::2]], 1)


@caught_by("samples_are_inside_the_extent", "sampler:importance")
class RunsPastFar(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        return replace(found, t_ends=found.t_ends * 1.3)


@caught_by("extent_is_in_order", "sampler:importance")
class TurnsItsLimitsRound(Importance):
    def extent(self, rays):
        return rays.far, rays.near


@caught_by("layout_is_as_declared", "sampler:importance", provides=frozenset({"packed"}), capabilities=None)
class SaysThatItPacks(Importance):
    pass


@caught_by("chunks_of_rays_give_the_same_samples", "sampler:importance")
class StartsItsNumbersAnewWithEveryChunk(Importance):
    def propose(self, rays, level, prev, field):
        self._generators.clear()
        return super().propose(rays, level, prev, field)


@caught_by("the_same_step_draws_the_same", "sampler:importance")
class DrawsFromTheGlobalGenerator(Importance):
    def _generator(self, level, device):
        return None


@caught_by("samples_carry_no_gradient", "sampler:importance")
class LetsGradientsThrough(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        with torch.enable_grad():
            return replace(found, t_starts=found.t_starts + 0.0 * rays.origins.sum())


@caught_by("something_opaque_is_seen", "sampler:importance")
class StopsAtAThird(Importance):
    def propose(self, rays, level, prev, field):
        return super().propose(replace(rays, far=rays.near + (rays.far - rays.near) / 3), level, prev, field)


# Renderers


@caught_by("weights_are_shares", "renderer:volume")
class ForgetsTransmittance(Volume):
    def weights(self, samples, outputs):
        return 1 - torch.exp(-outputs.density * samples.lengths)


@caught_by("a_slab_has_its_closed_form", "renderer:volume")
class ForgetsLengths(Volume):
    def weights(self, samples, outputs):
        return super().weights(samples, replace(outputs, density=outputs.density / samples.lengths.clamp_min(1e-9)))


@caught_by("dense_equals_packed", "renderer:volume")
class SumsWhateverLiesSideBySide(Volume):
    def weights(self, samples, outputs):
        found = super().weights(samples, outputs)
        return found if samples.packing is None else found.flip(0)


@caught_by("an_empty_interval_weighs_nothing", "renderer:volume")
class GivesEveryIntervalALittle(Volume):
    def weights(self, samples, outputs):
        lengths = samples.lengths + 1e-3
        return volume.weights_from_density(outputs.density, lengths, samples.layout, False)


@caught_by("pixels_are_weighted_sums", "renderer:volume")
class DividesDepthByOpacity(Volume):
    def composite(self, samples, outputs, weights):
        found = super().composite(samples, outputs, weights)
        return replace(found, depth=found.depth / found.opacity.clamp_min(1e-6))


@caught_by("what_is_in_front_hides_what_is_behind", "renderer:volume")
class RendersFromTheBack(Volume):
    def weights(self, samples, outputs):
        alpha = 1 - torch.exp(-outputs.density * samples.lengths)
        behind = segments.sum(alpha, samples.layout)[samples.ray_indices]
        return alpha / (1.0 + behind - alpha)


@caught_by("weights_have_true_gradients", "renderer:volume")
class DetachesTransmittance(Volume):
    def weights(self, samples, outputs):
        alpha = 1 - torch.exp(-outputs.density * samples.lengths)
        full = super().weights(samples, outputs)
        return alpha * (full / alpha.clamp_min(1e-9)).detach()


# Methods


@caught_by("every_parameter_is_in_one_group", "method:toy")
class TrainsTwice(SquaredError):
    def param_groups(self, model):
        return [*super().param_groups(model), {**super().param_groups(model)[0], "name": "again"}]


@caught_by("every_parameter_is_in_one_group", "method:toy")
class ForgetsAParameter(SquaredError):
    def param_groups(self, model):
        (group,) = super().param_groups(model)
        return [{**group, "params": group["params"][1:]}]


@caught_by("losses_are_means_over_rays", "method:toy")
class SumsOverRays(SquaredError):
    def losses(self, outputs, batch, model, step):
        return {"rgb": (outputs.rendered.rgb - batch.rgb).square().sum()}


@caught_by("losses_are_means_over_rays", "method:toy")
class TakesTheMeanOfNothing(SquaredError):
    def losses(self, outputs, batch, model, step):
        return {"rgb": (outputs.rendered.rgb - batch.rgb).square().mean()}


@caught_by("rates_are_a_function_of_the_step", "method:toy")
class LowersItsRateWheneverAsked(SquaredError):
    asked = 0

    def lr_scale(self, step, group):
        self.asked += 1
        return 1.0 / self.asked


@caught_by("background_is_a_colour", "method:toy")
class DrawsItsBackgroundAnywhere(SquaredError):
    def background(self, step, n, device):
        return torch.rand(n, 3)


@caught_by("presets_fit_and_survive_a_round_trip", "method:toy", requires={"field": frozenset({"sdf"})})
class WantsMoreThanItsPresetGives(SquaredError):
    pass


# Exporters and metrics


@caught_by("exports_are_in_the_datas_own_coordinates", "exporter:mesh")
class WritesSceneCoordinates(MeshExporter):
    def export(self, model, scene, path):
        return super().export(model, replace(scene, to_data=torch.eye(4, dtype=torch.float64)), path)


@caught_by("surfaces_are_watertight", "exporter:mesh")
class LosesAFace(MeshExporter):
    def surface(self, model, scene):
        mesh = super().surface(model, scene)
        mesh.update_faces(np.arange(len(mesh.faces)) > 0)
        return mesh


@caught_by("surfaces_are_watertight", "exporter:mesh")
class WindsFacesInwards(MeshExporter):
    def surface(self, model, scene):
        mesh = super().surface(model, scene)
        mesh.faces = mesh.faces[:, ::-1]
        return mesh


@caught_by("every_file_returned_exists", "exporter:mesh")
class LeavesAFileBehind(MeshExporter):
    def export(self, model, scene, path):
        files = super().export(model, scene, path)
        path.with_name("rest.tmp").write_text("left")
        return files


@caught_by("the_model_is_left_alone", "exporter:mesh")
class LeavesTheModelInEvaluation(MeshExporter):
    def export(self, model, scene, path):
        return super().export(model.eval(), scene, path)


@caught_by("the_same_model_gives_the_same", "exporter:mesh")
class StartsAtARandomPlace(MeshExporter):
    def surface(self, model, scene):
        mesh = super().surface(model, scene)
        mesh.vertices += 1e-3 * np.random.default_rng().normal(size=(1, 3))
        return mesh


@caught_by("nothing_to_export_is_said_in_words", "exporter:mesh")
class WritesAFileAboutNothing(MeshExporter):
    def export(self, model, scene, path):
        try:
            return super().export(model, scene, path)
        except NoSurface:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".ply").write_text("ply\n")
            return [path.with_suffix(".ply")]


@caught_by("measures_are_json_numbers", "metric:chamfer")
class ReturnsTensors(Chamfer):
    def measure(self, model, scene, reference, folder):
        return {"chamfer": torch.tensor(super().measure(model, scene, reference, folder)["chamfer"])}


@caught_by("lengths_are_in_the_datas_unit", "metric:chamfer")
class MeasuresInSceneUnits(Chamfer):
    def measure(self, model, scene, reference, folder):
        plain = replace(scene, to_data=torch.eye(4, dtype=torch.float64))
        return {"chamfer": super().measure(model, plain, reference, folder)["chamfer"]}


# Dataparsers and converters


@caught_by("the_known_pixel_is_there", "dataparser:tiny-nerf")
class FlipsImages(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        return replace(
            scene, images=MemoryImages(torch.stack([scene.images[i].flip(0) for i in range(len(scene.images))]))
        )


@caught_by("the_known_ray_is_there", "dataparser:tiny-nerf")
class TakesOpenCvForOpenGl(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        turned = scene.cameras.c2w * torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
        return replace(scene, cameras=replace(scene.cameras, c2w=turned))


@caught_by("scenes_are_sound", "dataparser:tiny-nerf")
class PutsNearBehindFar(TinyNerfParser):
    def parse(self, split):
        scene = super().parse(split)
        return replace(scene, near=scene.far, far=scene.near)


@caught_by("what_a_scene_holds_is_declared", "dataparser:tiny-nerf")
class HidesItsPoints(TinyNerfParser):
    def parse(self, split):
        return replace(super().parse(split), points=torch.zeros(4, 3))


@caught_by("broken_data_is_said_in_words", "dataparser:tiny-nerf")
class RaisesWhateverNumpyRaises(TinyNerfParser):
    def parse(self, split):
        if split in self.splits:
            np.load(self.config.root, allow_pickle=False)["images"]
        return super().parse(split)


@caught_by("sniff_knows_its_own", "dataparser:tiny-nerf", sniff="mutants:takes_everything")
class TakesEverything(TinyNerfParser):
    pass


def takes_everything(path: Any) -> str:
    return "why not"


@caught_by("what_is_written_is_read_back", "dataparser:blender", writer="mutants:half_a_pixel_off")
class WritesHalfAPixelOff:
    pass


def half_a_pixel_off(scenes: Any, folder: Any) -> Any:
    """A focal length that is half a pixel too long."""
    longer = {}
    for split, scene in scenes.items():
        intrinsics = scene.cameras.intrinsics + torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64)
        longer[split] = replace(scene, cameras=replace(scene.cameras, intrinsics=intrinsics))
    return write_blender(longer, folder)


@caught_by("conversion_is_whole_or_nothing", "converter:multiscale")
class WritesOverWhatIsThere(MultiscaleConverter):
    def convert(self, source, target, progress=None):
        if target.exists():
            return [path for path in target.rglob("*") if path.is_file()]
        return super().convert(source, target, progress)
