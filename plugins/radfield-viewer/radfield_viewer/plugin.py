"""Components of radfield-viewer."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "observer",
            "viewer",
            impl="radfield_viewer.observer:Viewer",
            config="radfield_viewer.config:ViewerConfig",
            summary="the model in the browser, from where you look; also `radfield view`",
        )
    ]
