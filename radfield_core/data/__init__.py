"""A data set, from its files to a scene: cameras, images, masks, poses and their normalization.

The names below are public; dataparsers and writers of formats are built from them.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.data.capture import (
        Capture as Capture,
        box_of as box_of,
        choose as choose,
        headers_of as headers_of,
        held_out as held_out,
        one_lens as one_lens,
        shrink_factor as shrink_factor,
        split_notes as split_notes,
    )
    from radfield_core.data.images import (
        MAX_PIXELS as MAX_PIXELS,
        SUFFIXES as SUFFIXES,
        FileImages as FileImages,
        Header as Header,
        ImageFault as ImageFault,
        MemoryImages as MemoryImages,
        orientation_notes as orientation_notes,
        read_header as read_header,
        read_headers as read_headers,
    )
    from radfield_core.data.masks import WithAlpha as WithAlpha, have_masks_that_mean as have_masks_that_mean
    from radfield_core.data.placement import (
        FURTHEST as FURTHEST,
        camera_box as camera_box,
        content_box as content_box,
        focus_point as focus_point,
        limits as limits,
        move_cameras as move_cameras,
        move_points as move_points,
        place as place,
        scale_of as scale_of,
        similarity as similarity,
    )
    from radfield_core.data.poses import check_poses as check_poses, fault as fault, read_matrix as read_matrix
    from radfield_core.data.scene import ImageSource as ImageSource, apply_similarity as apply_similarity
    from radfield_core.data.stored_views import StoredView as StoredView, views_to_store as views_to_store

_HOMES = {
    "capture": "Capture box_of choose headers_of held_out one_lens shrink_factor split_notes",
    "images": (
        "MAX_PIXELS SUFFIXES FileImages Header ImageFault MemoryImages orientation_notes read_header read_headers"
    ),
    "masks": "WithAlpha have_masks_that_mean",
    "placement": (
        "FURTHEST camera_box content_box focus_point limits move_cameras move_points place scale_of similarity"
    ),
    "poses": "check_poses fault read_matrix",
    "scene": "ImageSource apply_similarity",
    "stored_views": "StoredView views_to_store",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
