"""Components of radfield-tensorboard."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "observer",
            "tensorboard",
            impl="radfield_tensorboard.observer:TensorBoard",
            config="radfield_tensorboard.config:TensorBoardConfig",
            summary="scalars, pictures and hyperparameters in event files for TensorBoard",
        )
    ]
