"""Declaration of the parts for imperfect captures."""

from radfield_core.plugin import Component, Output, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return [
        component(
            "rays", "poses",
            impl="radfield_capture.poses:Poses", config="radfield_capture.poses_config:PosesConfig",
            summary="learned corrections of the camera poses (BARF)", provides={"poses"},
            capabilities="radfield_capture.poses_config:poses_capabilities",
        ),
        component(
            "sampler",
            "proposal",
            impl="radfield_capture.proposal:ProposalSampler",
            config="radfield_capture.proposal_config:ProposalConfig",
            summary="draws samples where small density networks expect surfaces (mip-NeRF 360)",
            provides={"dense", "multilevel"},
            requires={"encoding": {"points"}},
        ),
        component(
            "method",
            "capture",
            impl="radfield_capture.method:Capture",
            config="radfield_capture.method_config:CaptureConfig",
            summary="photographs of a place; all schedules end with the run",
            requires={"field": {"rgb", "density|alpha"}},
            preset="radfield_capture:presets/capture.toml",
        ),
        component(
            "encoding", "appearance", impl="radfield_capture.appearance:Appearance",
            config="radfield_capture.image_config:AppearanceConfig", summary="learned features of each image",
            provides={"images"},
        ),
        component(
            "color", "exposure", impl="radfield_capture.exposure:Exposure",
            config="radfield_capture.image_config:ExposureConfig", summary="exposure and white balance of each image",
        ),
        *_supervision_and_export(),
    ]  # fmt: skip


def _supervision_and_export() -> list[Component]:
    """The losses and the exporter."""
    return [
        component(
            "loss", "depth", impl="radfield_capture.depth:Depth", config="radfield_capture.supervision:DepthConfig",
            summary="compares distances along rays with sparse points or depth images",
            capabilities="radfield_capture.supervision:depth_capabilities",
        ),
        component(
            "loss", "normals", impl="radfield_capture.normals:Normals",
            config="radfield_capture.supervision:NormalsConfig", summary="compares normals with normal images",
            requires={"data": {"normals"}, "field": {"normals"}},
        ),
        component(
            "exporter", "cameras",
            impl="radfield_capture.cameras:CamerasExporter", config="radfield_capture.cameras_config:CamerasConfig",
            summary="training cameras as transforms.json and a COLMAP model",
            writes=Output.folder(coordinates=["transforms.json", "points.ply", "sparse/0/images.txt",
                                              "sparse/0/points3D.txt"]),
        ),
    ]  # fmt: skip
