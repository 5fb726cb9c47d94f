"""Files of textured meshes: GLB, OBJ with MTL, and PLY, each with its image."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNLIT = "KHR_materials_unlit"
"""Name of the glTF extension for surfaces whose color already holds their light."""

JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A mesh with an image.

    Attributes:
        vertices: [M, 3] in the coordinates of the file.
        faces: [F, 3].
        normals: unit normals of the vertices [M, 3].
        uv: places of the vertices in the image [M, 2] in [0, 1], from the left and from the top.
        image: sRGB colors [S, S, 3] uint8.
    """

    vertices: NDArray[Any]
    faces: NDArray[Any]
    normals: NDArray[Any]
    uv: NDArray[Any]
    image: NDArray[np.uint8]

    def turned(self, turn: NDArray[np.float64]) -> TexturedMesh:
        """Return the mesh after a rotation [4, 4]."""
        rotation = turn[:3, :3]
        return TexturedMesh(self.vertices @ rotation.T, self.faces, self.normals @ rotation.T, self.uv, self.image)


def write(mesh: TexturedMesh, path: Path, image_format: str) -> list[Path]:
    """Write a mesh and its image. The ending of the path names the format. Return the files written.

    Args:
        mesh: the mesh, which stands upright for `.glb`.
        path: a path that ends in `.glb`, `.obj` or `.ply`. The image lies inside a `.glb`, and beside the other files.
        image_format: "jpeg" or "png".
    """
    image = _encoded(mesh.image, image_format)
    if path.suffix.lower() == ".glb":
        path.write_bytes(_glb(mesh, image, f"image/{image_format}"))
        return [path]
    picture = path.with_suffix(".jpg" if image_format == "jpeg" else ".png")
    picture.write_bytes(image)
    if path.suffix.lower() == ".obj":
        material = path.with_suffix(".mtl")
        material.write_text(f"newmtl surface\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 0\nmap_Kd {picture.name}\n")
        path.write_text(_obj(mesh, material.name))
        return [path, material, picture]
    path.write_bytes(_ply(mesh, picture.name))
    return [path, picture]


def _encoded(image: NDArray[np.uint8], image_format: str) -> bytes:
    buffer = io.BytesIO()
    if image_format == "jpeg":
        Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _glb(mesh: TexturedMesh, image: bytes, media_type: str) -> bytes:
    """Return a binary glTF 2.0 file. trimesh would compress the image a second time and has no unlit materials."""
    places = mesh.vertices.astype("<f4")
    blocks = [
        mesh.faces.astype("<u4").tobytes(), places.tobytes(), mesh.normals.astype("<f4").tobytes(),
        mesh.uv.astype("<f4").tobytes(), image,
    ]  # fmt: skip
    views, start = [], 0
    for block, target in zip(blocks, (34963, 34962, 34962, 34962, None), strict=True):  # indices, vertices, image
        views.append(
            {"buffer": 0, "byteOffset": start, "byteLength": len(block), **({"target": target} if target else {})}
        )
        start += len(block) + -len(block) % 4
    n, floats = len(places), 5126
    accessors = [
        {"bufferView": 0, "componentType": 5125, "count": mesh.faces.size, "type": "SCALAR"},
        {"bufferView": 1, "componentType": floats, "count": n, "type": "VEC3",
         "min": places.min(0).tolist(), "max": places.max(0).tolist()},
        {"bufferView": 2, "componentType": floats, "count": n, "type": "VEC3"},
        {"bufferView": 3, "componentType": floats, "count": n, "type": "VEC2"},
    ]  # fmt: skip
    attributes = {"POSITION": 1, "NORMAL": 2, "TEXCOORD_0": 3}
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    tree = {
        "asset": {"version": "2.0", "generator": "radfield-mesh"},
        "extensionsUsed": [UNLIT],
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 0, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True, "extensions": {UNLIT: {}}}],
        "textures": [{"source": 0, "sampler": 0}], "images": [{"bufferView": 4, "mimeType": media_type}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],  # linear, not repeated
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": start}],
    }  # fmt: skip
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(block + b"\0" * (-len(block) % 4) for block in blocks)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _obj(mesh: TexturedMesh, material: str) -> str:
    lines = [f"mtllib {material}", "usemtl surface"]
    lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"vt {u:.7g} {1 - v:.7g}" for u, v in mesh.uv.tolist()]
    lines += [f"vn {x:.5g} {y:.5g} {z:.5g}" for x, y, z in mesh.normals.tolist()]
    lines += ["f " + " ".join(f"{i}/{i}/{i}" for i in face) for face in (mesh.faces + 1).tolist()]
    return "\n".join(lines) + "\n"


def _ply(mesh: TexturedMesh, picture: str) -> bytes:
    """Return a binary PLY. Vertices have places s and t, and a comment names the image, as MeshLab expects."""
    names = ("x", "y", "z", "nx", "ny", "nz", "s", "t")
    columns = np.concatenate([mesh.vertices, mesh.normals, mesh.uv * [1, -1] + [0, 1]], 1)
    header = ["ply", "format binary_little_endian 1.0", f"comment TextureFile {picture}"]
    header += [f"element vertex {len(columns)}", *[f"property double {name}" for name in names[:3]]]
    header += [f"property float {name}" for name in names[3:]]
    header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    vertices = np.zeros(len(columns), [(name, "<f8" if name in "xyz" else "<f4") for name in names])
    for name, column in zip(names, columns.T, strict=True):
        vertices[name] = column
    faces = np.zeros(len(mesh.faces), [("n", "u1"), ("at", "<i4", 3)])
    faces["n"], faces["at"] = 3, mesh.faces
    return ("\n".join(header) + "\n").encode() + vertices.tobytes() + faces.tobytes()
