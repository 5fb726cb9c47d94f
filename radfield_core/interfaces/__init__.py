"""One abstract base class per kind of part."""

from radfield_core.interfaces.converter import Converter
from radfield_core.interfaces.dataparser import DataParser
from radfield_core.interfaces.encoding import Encoding
from radfield_core.interfaces.exporter import Exporter
from radfield_core.interfaces.field import Field, HasColor, HasDensity, HasOccupancy, HasSDF
from radfield_core.interfaces.method import Method
from radfield_core.interfaces.metric import Metric
from radfield_core.interfaces.part import BuildContext, Part
from radfield_core.interfaces.renderer import Renderer
from radfield_core.interfaces.sampler import Sampler

__all__ = [
    "BuildContext", "Converter", "DataParser", "Encoding", "Exporter", "Field", "HasColor", "HasDensity",
    "HasOccupancy", "HasSDF", "Method", "Metric", "Part", "Renderer", "Sampler",
]  # fmt: skip
