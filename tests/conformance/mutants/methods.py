"""Methods, exporters and metrics with one fault each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from radfield_mesh.mesh import MeshExporter
from radfield_mesh.metrics import Chamfer

from mutants.caught import caught_by
from radfield_core.errors import NoSurface
from radfield_core.testing.toy_parts import SquaredError

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


@caught_by("learning_rates_depend_only_on_the_step", "method:toy")
class LowersItsRateWheneverAsked(SquaredError):
    asked = 0

    def lr_scale(self, step, group):
        self.asked += 1
        return 1.0 / self.asked


@caught_by("background_is_a_color", "method:toy")
class DrawsItsBackgroundAnywhere(SquaredError):
    def background(self, step, n, device):
        return torch.rand(n, 3)


@caught_by("presets_fit_and_survive_a_round_trip", "method:toy", requires={"field": frozenset({"sdf"})})
class WantsMoreThanItsPresetGives(SquaredError):
    pass


# Exporters and metrics


@caught_by("exports_are_in_data_coordinates", "exporter:mesh")
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


@caught_by("returned_files_exist", "exporter:mesh")
class LeavesAFileBehind(MeshExporter):
    def export(self, model, scene, path):
        files = super().export(model, scene, path)
        path.with_name("rest.tmp").write_text("left")
        return files


@caught_by("returned_files_exist", "exporter:mesh")
class ChoosesAnotherName(MeshExporter):
    def export(self, model, scene, path):
        return super().export(model, scene, path.with_name("mesh.ply"))


@caught_by("the_model_is_not_modified", "exporter:mesh")
class LeavesTheModelInEvaluation(MeshExporter):
    def export(self, model, scene, path):
        return super().export(model.eval(), scene, path)


@caught_by("same_model_gives_the_same_result", "exporter:mesh")
class StartsAtARandomPlace(MeshExporter):
    def surface(self, model, scene):
        mesh = super().surface(model, scene)
        mesh.vertices += 1e-3 * np.random.default_rng().normal(size=(1, 3))
        return mesh


@caught_by("no_surface_raises_an_error", "exporter:mesh")
class WritesAFileAboutNothing(MeshExporter):
    def export(self, model, scene, path):
        try:
            return super().export(model, scene, path)
        except NoSurface:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".ply").write_text("ply\n")
            return [path.with_suffix(".ply")]


@caught_by("measurements_are_json_numbers", "metric:chamfer")
class ReturnsTensors(Chamfer):
    def measure(self, model, scene, reference, folder):
        return {"chamfer": torch.tensor(super().measure(model, scene, reference, folder)["chamfer"])}


@caught_by("lengths_are_in_the_data_unit", "metric:chamfer")
class MeasuresInSceneUnits(Chamfer):
    def measure(self, model, scene, reference, folder):
        plain = replace(scene, to_data=torch.eye(4, dtype=torch.float64))
        return {"chamfer": super().measure(model, plain, reference, folder)["chamfer"]}
