"""Components of radfield-blender."""

from radfield_core.plugin import Component, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    return [
        component(
            "dataparser", "blender", impl="radfield_blender.blender:BlenderParser",
            config="radfield_blender.config:BlenderConfig",
            summary="NeRF-synthetic folders: transforms_{train,val,test}.json and RGBA images",
            provides={"images", "bounded"}, sniff="radfield_blender.sniff:blender",
            aliases={"blender-data": "blender", "nerf-synthetic": "blender"},
            writer="radfield_blender.writer:write_blender",
        ),
        component(
            "dataparser", "blender-multiscale", impl="radfield_blender.multiscale:MultiscaleParser",
            config="radfield_blender.config:MultiscaleConfig",
            summary="mip-NeRF's multiscale folders: metadata.json and RGBA images",
            provides={"images", "bounded"}, sniff="radfield_blender.sniff:multiscale",
        ),
        component(
            "converter", "multiscale", impl="radfield_blender.convert_multiscale:MultiscaleConverter",
            config="radfield_blender.config:MultiscaleConversionConfig",
            summary="NeRF-synthetic folder to mip-NeRF's multiscale layout",
        ),
        component(
            "dataparser", "tiny-nerf", impl="radfield_blender.tiny_nerf:TinyNerfParser",
            config="radfield_blender.config:TinyNerfConfig",
            summary="the .npz file of the tiny NeRF notebook, with images, poses and focal",
            provides={"images", "bounded"}, sniff="radfield_blender.sniff:tiny_nerf",
        ),
    ]  # fmt: skip
