"""Declaration of method:mipnerf, field:mipnerf and sampler:mip."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)
PRESETS = (
    "mipnerf",
    "mipnerf-small",
    "mipnerf-blender",
    "mipnerf-llff",
    "mipnerf-noipe",
    "mipnerf-noextras",
    "mipnerf-noloss",
)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "field",
            "mipnerf",
            impl="radfield_mipnerf.field:MipNerfField",
            config="radfield_mipnerf.config:MipNerfFieldConfig",
            summary="the MLP of mip-NeRF: density and view-dependent color of Gaussians",
            provides={"density", "rgb", "occupancy", "point_color"},
            requires={
                "encoding": {"gaussians"},
                "direction_encoding": {"directions"},
                "appearance_encoding": {"images"},
            },
        ),
        component(
            "sampler",
            "mip",
            impl="radfield_mipnerf.sampler:MipSampler",
            config="radfield_mipnerf.config:MipSamplerConfig",
            summary="adjacent intervals, which later levels resample from blurred weights (mip-NeRF)",
            provides={"dense", "multilevel"},
        ),
        component(
            "method",
            "mipnerf",
            impl="radfield_mipnerf.method:MipNerf",
            config="radfield_mipnerf.config:MipNerfConfig",
            summary="mip-NeRF, which avoids aliasing by rendering cones instead of rays (Barron et al. 2021)",
            requires={"field": {"density|alpha", "rgb"}, "data": {"images"}},
            preset={name: f"radfield_mipnerf:presets/{name}.toml" for name in PRESETS},
            aliases={"mip-nerf": "mipnerf", "mipnerf-multiblender": "mipnerf"},
        ),
    ]
