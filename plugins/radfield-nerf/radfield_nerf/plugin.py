"""Declaration of method:nerf, method:tiny-nerf and field:nerf."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)
PRESETS = ("nerf", "nerf-llff", "nerf-small", "nerf-pl", "nerf-pl-llff", "nerf-tutorial")
ENCODINGS = {
    "encoding": {"points|gaussians"},
    "direction_encoding": {"directions"},
    "appearance_encoding": {"images"},
}


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "field",
            "nerf",
            impl="radfield_nerf.field:NerfField",
            config="radfield_nerf.config:NerfFieldConfig",
            summary="the MLP of NeRF: density and view-dependent color",
            provides={"density", "rgb", "occupancy", "point_color"},
            requires=ENCODINGS,
        ),
        component(
            "method",
            "nerf",
            impl="radfield_nerf.method:Nerf",
            config="radfield_nerf.config:NerfConfig",
            summary="NeRF, with a coarse and a fine MLP (Mildenhall et al. 2020)",
            requires={
                "field": {"density|alpha", "rgb"},
                "coarse_field": {"density|alpha", "rgb"},
                "data": {"images"},
            },
            preset={name: f"radfield_nerf:presets/{name}.toml" for name in PRESETS},
            aliases={"vanilla-nerf": "nerf", "nerf-pytorch": "nerf"},
        ),
        component(
            "method",
            "tiny-nerf",
            impl="radfield_nerf.method:TinyNerf",
            config="radfield_nerf.config:TinyNerfConfig",
            summary="small NeRF with one MLP and one level of samples, without view directions",
            requires={"field": {"density|alpha", "rgb"}, "data": {"images"}},
            preset={
                "tiny-nerf": "radfield_nerf:presets/tiny-nerf.toml",
                "tiny-nerf-tutorial": "radfield_nerf:presets/tiny-nerf-tutorial.toml",
            },
        ),
    ]
