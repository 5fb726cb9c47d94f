"""Abstract base classes: one for each kind of part, and one for the model that is made of parts."""

from radfield_core.interfaces.color_map import ColorMap, FittedMap
from radfield_core.interfaces.context import BuildContext
from radfield_core.interfaces.converter import Converter
from radfield_core.interfaces.dataparser import DataParser
from radfield_core.interfaces.encoding import Encoding, with_appearance
from radfield_core.interfaces.exporter import Exporter
from radfield_core.interfaces.field import DensityOccupancy, Field, HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.interfaces.loss import Loss
from radfield_core.interfaces.method import Method, background_color, method_of
from radfield_core.interfaces.metric import Metric
from radfield_core.interfaces.model import Model
from radfield_core.interfaces.observer import LiveRun, ObservedRun, Observer
from radfield_core.interfaces.parameters import TrainedParameters
from radfield_core.interfaces.part import ParameterGroup, Part
from radfield_core.interfaces.ray_transform import RayTransform
from radfield_core.interfaces.renderer import Renderer
from radfield_core.interfaces.sampler import Sampler

__all__ = [
    "BuildContext", "ColorMap", "Converter", "DataParser", "DensityOccupancy", "Encoding", "Exporter", "Field",
    "FittedMap", "HasColor", "HasDensity", "HasOccupancy", "HasSDF", "LiveRun", "Loss", "Method", "Metric", "Model",
    "ObservedRun", "Observer", "ParameterGroup", "Part", "RayTransform", "Renderer", "Sampler", "TrainedParameters",
    "background_color", "method_of", "with_appearance",
]  # fmt: skip
