"""Components of radfield-report."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "observer",
            "report",
            impl="radfield_report.observer:Report",
            config="radfield_report.config:ReportConfig",
            summary="one HTML file that shows a run: cameras, curves, views beside the truth, metrics, options",
        ),
        component(
            "observer",
            "notebook",
            impl="radfield_report.notebook:Notebook",
            config="radfield_report.config:NotebookConfig",
            summary="curves and pictures in a cell of a notebook, while a run trains there",
        ),
    ]
