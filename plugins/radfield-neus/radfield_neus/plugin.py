"""Declaration of the components of NeuS: a method, fields, samplers, an exporter and observers."""

from radfield_core.plugin import Component, Output, component, hookimpl
from radfield_neus.observer import (
    radfield_run_finished as radfield_run_finished,
    radfield_step_ended as radfield_step_ended,
    radfield_train_started as radfield_train_started,
)

RADFIELD_API = (1, 0)
CONFIG = "radfield_neus.config"
PRESETS = (
    "neus",
    "neus-masks",
    "neus-thin-structure",
    "neus-fast",
    "neus-fast-open",
    "neus-blender",
    "neus-dtu",
    "neus-dtu-wmask",
    "neus-colmap",
    "neuralangelo-dtu",
    "neuralangelo-dtu-wmask",
    "neuralangelo-colmap",
)
ALIASES = {
    "neus-facto": "neus-fast-open",
    "instant-nsr": "neus-fast",
    "instant-nsr-pl": "neus-fast",
    "neus-womask": "neus",
    "neus-wmask": "neus-masks",
    "neus-bmvs": "neus-dtu",
    "neuralangelo": "neuralangelo-dtu",
}


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "method",
            "neus",
            impl="radfield_neus.method:NeuS",
            config=f"{CONFIG}:NeuSConfig",
            summary="NeuS: reconstructs surfaces by rendering a signed distance as a volume (Wang et al. 2021)",
            requires={"field": {"sdf", "alpha", "rgb"}},
            preset={name: f"radfield_neus:presets/{name}.toml" for name in PRESETS},
            aliases=ALIASES,
        ),
        component(
            "field",
            "neus",
            impl="radfield_neus.field:NeuSField",
            config=f"{CONFIG}:NeuSFieldConfig",
            summary="signed distance, color and a learned sharpness",
            provides={"alpha", "rgb", "sdf", "normals", "occupancy", "point_color"},
            requires={"encoding": {"points"}, "direction_encoding": {"directions"}, "appearance_encoding": {"images"}},
            capabilities=f"{CONFIG}:field_capabilities",
        ),
        component(
            "sampler",
            "neus",
            impl="radfield_neus.sampler:NeuSSampler",
            config=f"{CONFIG}:NeuSSamplerConfig",
            summary="evenly spaced samples, and additional samples near the zero level of the signed distance",
            provides={"dense"},
            requires={"field": {"sdf"}},
        ),
        *_background(),
        *_exporters(),
    ]


def _exporters() -> list[Component]:
    """Components that write files."""
    return [
        component(
            "exporter",
            "sdf-slices",
            impl="radfield_neus.slices:SdfSlices",
            config=f"{CONFIG}:SlicesConfig",
            summary="an image of the signed distance on three planes",
            requires={"field": {"sdf"}},
            writes=Output.file("png", coordinates=False),
        )
    ]


def _background() -> list[Component]:
    """Components that render the background outside the scene's sphere."""
    return [
        component(
            "field",
            "inverted-sphere",
            impl="radfield_neus.outside:InvertedSphereField",
            config=f"{CONFIG}:InvertedSphereFieldConfig",
            summary="background outside a sphere, as a function of direction and inverse distance (NeRF++)",
            provides={"density", "rgb"},
            requires={
                "encoding": {"points", "any_dim"},
                "direction_encoding": {"directions"},
                "appearance_encoding": {"images"},
            },
        ),
        component(
            "sampler",
            "inverted-sphere",
            impl="radfield_neus.outside:InvertedSphereSampler",
            config=f"{CONFIG}:InvertedSphereSamplerConfig",
            summary="samples outside a sphere, evenly spaced in inverse distance",
            provides={"dense"},
        ),
    ]
