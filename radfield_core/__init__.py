"""radfield: radiance fields from plugins that fit together.

All names below are public. A name is imported when it is first used, so importing this package imports nothing else.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.cameras import (
        Camera as Camera,
        Cameras as Cameras,
        View as View,
        angle_across as angle_across,
        corner_directions as corner_directions,
        directions as directions,
        project as project,
        visible as visible,
    )
    from radfield_core.cli.main import main as main
    from radfield_core.config.fit import capabilities_of as capabilities_of
    from radfield_core.config.layers import compose as compose, compose_part as compose_part
    from radfield_core.config.losses import LossConfig as LossConfig
    from radfield_core.config.pose_options import PoseOptions as PoseOptions
    from radfield_core.config.run import RunConfig as RunConfig
    from radfield_core.config.schedules import Schedule as Schedule
    from radfield_core.config.slots import Choice as Choice, option as option, parts as parts, slot as slot
    from radfield_core.config.surface_options import SurfaceOptions as SurfaceOptions
    from radfield_core.data.scene import Mesh as Mesh, Scene as Scene
    from radfield_core.errors import (
        BrokenPlugin as BrokenPlugin,
        DatasetError as DatasetError,
        NoSuchSplit as NoSuchSplit,
        NoSurface as NoSurface,
        PluginError as PluginError,
        Problem as Problem,
        Problems as Problems,
        RadfieldError as RadfieldError,
        StorageError as StorageError,
        UsageError as UsageError,
    )
    from radfield_core.inspection.report import camera_findings as camera_findings
    from radfield_core.interfaces import (
        BuildContext as BuildContext,
        ColorMap as ColorMap,
        Converter as Converter,
        DataParser as DataParser,
        DensityOccupancy as DensityOccupancy,
        Encoding as Encoding,
        Exporter as Exporter,
        Field as Field,
        FittedMap as FittedMap,
        HasColor as HasColor,
        HasDensity as HasDensity,
        HasOccupancy as HasOccupancy,
        HasSDF as HasSDF,
        LiveRun as LiveRun,
        Loss as Loss,
        Method as Method,
        Metric as Metric,
        Model as Model,
        ObservedRun as ObservedRun,
        Observer as Observer,
        ParameterGroup as ParameterGroup,
        Part as Part,
        RayTransform as RayTransform,
        Renderer as Renderer,
        Sampler as Sampler,
        TrainedParameters as TrainedParameters,
        background_color as background_color,
        with_appearance as with_appearance,
    )
    from radfield_core.names import natural_key as natural_key, plural as plural, printable as printable
    from radfield_core.plugin import (
        Component as Component,
        Fit as Fit,
        Output as Output,
        component as component,
        hookimpl as hookimpl,
    )
    from radfield_core.plugins.registry import get_registry as get_registry
    from radfield_core.rays import (
        RaySpace as RaySpace,
        pixel_rays as pixel_rays,
        view_rays as view_rays,
        warped_box as warped_box,
    )
    from radfield_core.render.camera_paths import upward_axis as upward_axis
    from radfield_core.runs.exporting import export as export
    from radfield_core.runs.trained import Trained as Trained, open_run as open_run
    from radfield_core.runtime.progress import Progress as Progress, ProgressCallback as ProgressCallback
    from radfield_core.train.session import train_run as train_run
    from radfield_core.types import (
        Batch as Batch,
        FieldOutputs as FieldOutputs,
        Level as Level,
        ModelOutputs as ModelOutputs,
        RayBundle as RayBundle,
        RaySamples as RaySamples,
        Rendered as Rendered,
        SceneBox as SceneBox,
        Step as Step,
    )

__version__ = "0.1.0"

API_VERSION = (1, 0)
"""Version of the plugin interface. A plugin declares the version it needs. A different major version is an error."""

_HOMES = {
    "names": "natural_key plural printable",
    "plugin": "component hookimpl Component Fit Output",
    "config.slots": "Choice option parts slot",
    "cli.main": "main",
    "config.fit": "capabilities_of",
    "config.layers": "compose compose_part",
    "config.losses": "LossConfig",
    "config.pose_options": "PoseOptions",
    "config.run": "RunConfig",
    "config.schedules": "Schedule",
    "config.surface_options": "SurfaceOptions",
    "errors": (
        "BrokenPlugin DatasetError NoSuchSplit NoSurface PluginError Problem Problems RadfieldError "
        "StorageError UsageError"
    ),
    "inspection.report": "camera_findings",
    "interfaces": (
        "BuildContext ColorMap Converter DataParser DensityOccupancy Encoding Exporter Field FittedMap HasColor "
        "HasDensity HasOccupancy HasSDF LiveRun Loss Method Metric Model ObservedRun Observer ParameterGroup Part "
        "RayTransform Renderer Sampler TrainedParameters background_color "
        "with_appearance"
    ),
    "types": "Batch FieldOutputs Level ModelOutputs RayBundle RaySamples Rendered SceneBox Step",
    "cameras": "Camera Cameras View angle_across corner_directions directions project visible",
    "data.scene": "Mesh Scene",
    "plugins.registry": "get_registry",
    "runtime.progress": "Progress ProgressCallback",
    "runs.trained": "Trained open_run",
    "rays": "RaySpace pixel_rays view_rays warped_box",
    "render.camera_paths": "upward_axis",
    "runs.exporting": "export",
    "train.session": "train_run",
}

if not TYPE_CHECKING:  # a type checker that finds a __getattr__ accepts any name
    __getattr__, __dir__ = lazy(__name__, _HOMES)
