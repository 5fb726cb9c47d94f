"""Declaration of method:ngp and field:ngp."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "field",
            "ngp",
            impl="radfield_ngp.field:NgpField",
            config="radfield_ngp.config:NgpFieldConfig",
            summary="density and color, computed by small networks from a hash grid (instant-ngp)",
            provides={"density", "rgb", "occupancy", "point_color"},
            requires={
                "encoding": {"points|gaussians"},
                "direction_encoding": {"directions"},
                "appearance_encoding": {"images"},
            },
        ),
        component(
            "method",
            "ngp",
            impl="radfield_ngp.method:Ngp",
            config="radfield_ngp.config:NgpConfig",
            summary="instant-ngp, which uses a hash grid and an occupancy grid to train in a minute instead of hours",
            requires={"field": {"rgb", "density|alpha"}},
            preset={
                "ngp": "radfield_ngp:presets/ngp.toml",
                "ngp-small": "radfield_ngp:presets/ngp-small.toml",
                "ngp-capture": "radfield_ngp:presets/ngp-capture.toml",
                "nerf-colmap": "radfield_ngp:presets/nerf-colmap.toml",
            },
            aliases={
                "instant-ngp": "ngp",
                "nerf-blender": "ngp",
                "instant-ngp-bounded": "ngp",
                "nerfacto": "ngp-capture",
            },
        ),
    ]
