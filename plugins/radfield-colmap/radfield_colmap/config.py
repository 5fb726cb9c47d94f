"""Options of dataparser:colmap."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from radfield_core import SurfaceOptions, option


@attrs.frozen(kw_only=True)
class ColmapConfig(SurfaceOptions):
    """Options for a folder with photographs and their COLMAP reconstruction."""

    own_axes: ClassVar[str] = "RDF"
    own_world_to_camera: ClassVar[bool] = True

    root: str = option(help="folder with images/ and sparse/0")
    images: str = option(
        "images", help="folder of the images, relative to root; for smaller copies, give a folder such as images_4"
    )
    masks: str = option(
        "masks", help="folder of masks, relative to root; black pixels are ignored; the folder need not exist"
    )
    depths: str = option(
        "depths", help="folder of depth images with the names of the images, relative to root; it need not exist"
    )
    normals: str = option(
        "normals", help="folder of normal images with the names of the images, relative to root; it need not exist"
    )
    model: str | None = option(
        None, help="folder of the reconstruction, relative to root; by default, the one with the most images"
    )
    orientation: Literal["none", "up", "vertical", "pca", "ground"] = option(
        "ground",
        help='direction to rotate to +z: "up", the mean of the cameras\' up axes; "vertical", the direction most '
        "nearly perpendicular to all their x axes; "
        '"pca", the direction in which the camera positions vary least; "ground", '
        'the normal of a plane fitted to the lowest points; "none" does not rotate',
    )
    center: Literal["none", "poses", "focus"] = option(
        "focus",
        help='point to move to the origin: "poses", the mean camera center; "focus", the point that the cameras look '
        'at; "none" does not move',
    )
    unit: str | None = option(
        None, help='unit of the coordinates of the reconstruction, such as "m", for exports and metrics, if it is known'
    )
    auto_scale: bool = option(True, help="scale the scene so that the largest camera coordinate is 1")
    holdout: int = option(
        8, help="hold out every n-th image, sorted by name, for testing; 0 trains on all, and tests on every 8th", min=0
    )


@attrs.frozen(kw_only=True)
class PhotographsConfig:
    """Options for solving the cameras of photographs with COLMAP."""

    max_size: int = option(
        1600,
        help="before feature extraction, reduce photographs to this length of the longer side, in pixels",
        min=100,
        max=32768,
    )
    pairs: Literal["auto", "all", "neighbors"] = option(
        "auto",
        help='pairs of photographs to match: "all", or "neighbors" in the order of names, as in a video; "auto" '
        "matches all for up to 150 photographs, and neighbors for more",
    )
    frames: int | None = option(
        None,
        help="number n of frames to take from a video: the sharpest frame of each of n equal intervals (default: 100)",
        min=3,
        max=100_000,
    )
    scene: int | None = option(
        None,
        help="number of the scene to keep, from the largest on, if the photographs show several",
        min=1,
        max=50,
    )
    between: str | None = option(
        None,
        help="known distance between two points, each picked in two photographs or more at pixels x,y, such as "
        '"a.jpg:120,80+b.jpg:96,77 a.jpg:410,92+b.jpg:388,90 = 0.4m"; it makes the unit a meter',
    )
    turntable: bool = option(
        False,
        help="the object turns before a still background: leave out features that stand still in the pictures, so that "
        "the cameras are those of the object",
    )
    skip_bad_images: bool = option(
        False, help="if true, leave out photographs that cannot be decoded; if false, they are an error"
    )
    seed: int = option(0, help="random seed", min=0, max=2**31 - 1)


@attrs.frozen(kw_only=True)
class TriangulatedConfig:
    """Options for triangulating points with known cameras."""

    max_size: int = option(
        1600,
        help="before feature extraction, reduce images to this length of the longer side, in pixels",
        min=100,
        max=32768,
    )
    neighbors: int = option(
        40,
        help="number of other images that each image is matched with: those whose cameras are nearest and look in the "
        "most similar directions",
        min=1,
        max=10_000,
    )
    seed: int = option(0, help="random seed", min=0, max=2**31 - 1)
