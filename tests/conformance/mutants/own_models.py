"""Growing parts, and methods that bring their own model, with one fault each."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from mutants.caught import caught_by
from radfield_core.testing.toy_growing import ToyGrid, ToyPainter, ToyPainting, twice_as_fine


@caught_by("growing_parameters_survive_resuming", "field:toy-grid")
class CountsStepsInAnAttribute(ToyGrid):
    count = 0

    def adapt(self, step, parameters):
        self.count += 1
        if self.count == 4:
            parameters.replace(self, "values", twice_as_fine(self.values), twice_as_fine)


@caught_by("growing_parameters_survive_resuming", "field:toy-grid")
class ReplacesBehindTheOptimizer(ToyGrid):
    def adapt(self, step, parameters):
        if step.index == 3:
            self.values = nn.Parameter(twice_as_fine(self.values))


class Drawn(ToyPainting):
    def render(self, *arguments, **options):
        rendered = super().render(*arguments, **options)
        return replace(rendered, rgb=rendered.rgb.flip(0))


@caught_by("views_render_as_in_training", "method:toy-painter")
class RendersFromTheLastPixel(ToyPainter):
    def build(self, ctx):
        return Drawn()


@caught_by("models_answer_what_is_declared", "method:toy-painter", provides=frozenset({"point_color", "density"}))
class PromisesDensity(ToyPainter):
    pass


class OneColor(ToyPainting):
    def point_color(self, x, viewdirs=None, image_ids=None):
        return super().point_color(x)[:1]


@caught_by("models_answer_what_is_declared", "method:toy-painter")
class AnswersOnce(ToyPainter):
    def build(self, ctx):
        return OneColor()
