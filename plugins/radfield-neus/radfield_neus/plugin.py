"""Declaration of NeuS: its method, fields, samplers and exporter, and what it says beside training."""

from radfield_core.plugin import component, hookimpl
from radfield_neus import observer

RADFIELD_API = (1, 0)
CONFIG = "radfield_neus.config"


@hookimpl
def radfield_components():
    """The parts of this distribution."""
    presets = ("neus", "neus-masks", "neus-fast", "neus-fast-open")
    return [
        component(
            "method", "neus", impl="radfield_neus.method:NeuS", config=f"{CONFIG}:NeuSConfig",
            summary="surfaces as the zero level of a signed distance, rendered as a volume (Wang et al. 2021)",
            requires={"field": {"sdf", "alpha", "rgb"}},
            preset={name: f"radfield_neus:presets/{name}.toml" for name in presets},
        ),
        component(
            "field", "neus", impl="radfield_neus.field:NeuSField", config=f"{CONFIG}:NeuSFieldConfig",
            summary="signed distance, color and a learned sharpness",
            provides={"alpha", "rgb", "sdf", "normals", "occupancy", "point_color"},
            requires={"encoding": {"points"}, "direction_encoding": {"directions"}},
            capabilities=f"{CONFIG}:field_capabilities",
        ),
        component(
            "sampler", "neus", impl="radfield_neus.sampler:NeuSSampler", config=f"{CONFIG}:NeuSSamplerConfig",
            summary="even samples, then more where the signed distance says the surface is",
            provides={"dense"}, requires={"field": {"sdf"}},
        ),
        component(
            "field", "inverted-sphere", impl="radfield_neus.outside:InvertedSphereField",
            config=f"{CONFIG}:InvertedSphereFieldConfig",
            summary="what lies beyond a sphere, by direction and inverse distance (NeRF++)",
            provides={"density", "rgb"},
            requires={"encoding": {"points", "any_dim"}, "direction_encoding": {"directions"}},
        ),
        component(
            "sampler", "inverted-sphere", impl="radfield_neus.outside:InvertedSphereSampler",
            config=f"{CONFIG}:InvertedSphereSamplerConfig",
            summary="samples beyond a sphere, even in inverse distance", provides={"dense"},
        ),
        component(
            "exporter", "sdf-slices", impl="radfield_neus.slices:SdfSlices", config=f"{CONFIG}:SlicesConfig",
            summary="a picture of the signed distance on three planes", requires={"field": {"sdf"}},
        ),
    ]  # fmt: skip


@hookimpl
def radfield_train_started():
    """A new run to watch."""
    observer.WATCH.started()


@hookimpl
def radfield_step_ended(step, scalars):
    """Say when the surface has vanished."""
    observer.warn(step, scalars)


@hookimpl
def radfield_run_finished(folder, reason):
    """Leave slices of the distance in the run."""
    if reason in ("max_steps", "max_seconds"):
        observer.leave_slices(folder)
