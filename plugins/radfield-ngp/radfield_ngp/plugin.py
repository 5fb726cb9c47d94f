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
            summary="density and color by small networks on a hash grid (instant-ngp)",
            provides={"density", "rgb", "occupancy", "point_color"},
            requires={"encoding": {"points|gaussians"}, "direction_encoding": {"directions"}},
        ),
        component(
            "method",
            "ngp",
            impl="radfield_ngp.method:Ngp",
            config="radfield_ngp.config:NgpConfig",
            summary="instant-ngp, which trains in a minute instead of hours, by a hash grid and an occupancy grid",
            requires={"field": {"rgb", "density|alpha"}},
            preset={
                "ngp": "radfield_ngp:presets/ngp.toml",
                "ngp-small": "radfield_ngp:presets/ngp-small.toml",
                "ngp-capture": "radfield_ngp:presets/ngp-capture.toml",
            },
        ),
    ]
