"""Components of radfield-mesh."""

from radfield_core.plugin import Component, Output, component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Return the components of this package."""
    geometry = {"field": {"sdf|density"}}
    return [
        component(
            "exporter", "mesh", impl="radfield_mesh.mesh:MeshExporter", config="radfield_mesh.config:MeshConfig",
            summary="marching cubes with colors and normals: PLY, OBJ, GLB, STL", requires=geometry,
            writes=Output.file("ply", "obj", "glb", "stl"),
        ),
        component(
            "exporter", "tsdf", impl="radfield_mesh.tsdf:TsdfExporter", config="radfield_mesh.config:TsdfConfig",
            summary="a mesh fused from the rendered depths of any model: PLY, OBJ, GLB, STL",
            writes=Output.file("ply", "obj", "glb", "stl"),
        ),
        component(
            "exporter", "pointcloud", impl="radfield_mesh.pointcloud:PointCloudExporter",
            config="radfield_mesh.config:PointCloudConfig", summary="points with colors and normals",
            requires=geometry, writes=Output.file("ply"),
        ),
        component(
            "metric", "chamfer", impl="radfield_mesh.metrics:Chamfer", config="radfield_mesh.config:ChamferConfig",
            summary="accuracy, completeness, Chamfer distance and F-scores against a surface", requires=geometry,
        ),
        component(
            "metric", "point-to-mesh", impl="radfield_mesh.metrics:PointToMesh",
            config="radfield_mesh.config:PointToMeshConfig", summary="distances of sparse points to the surface",
            requires=geometry,
        ),
        component(
            "metric", "texture", impl="radfield_mesh.texture.metric:TexturePsnr",
            config="radfield_mesh.config:TextureMetricConfig",
            summary="PSNR of photographs against pictures of a mesh with a texture",
        ),
    ]  # fmt: skip
