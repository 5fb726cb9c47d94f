"""Components of radfield-synthetic."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "synthetic", impl="radfield_synthetic.dataset:SyntheticParser",
            config="radfield_synthetic.config:SyntheticConfig",
            summary="analytic scenes with exact images, depth, normals and mesh; nothing to download",
            provides={
                "images", "depths", "normals", "sparse_points", "observations", "bounded", "ground_truth_mesh"
            },
        )
    ]  # fmt: skip
