"""Tools that read a data set into a scene, or write a data set: cameras, images, masks, poses and normalization.

The names below are public. Dataparsers (which read a data set) and exporters (which write one) are built from them.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.data.capture import (
        Capture as Capture,
        add_unreadable as add_unreadable,
        common_lens as common_lens,
        is_missing as is_missing,
        read_available_headers as read_available_headers,
        scene_box as scene_box,
        shrink_factor as shrink_factor,
    )
    from radfield_core.data.folds import fold_warnings as fold_warnings
    from radfield_core.data.image_files import (
        IMAGE_SUFFIXES as IMAGE_SUFFIXES,
        MAX_IMAGE_PIXELS as MAX_IMAGE_PIXELS,
        ImageFault as ImageFault,
        ImageHeader as ImageHeader,
        orientation_notes as orientation_notes,
        read_header as read_header,
        read_headers as read_headers,
    )
    from radfield_core.data.images import FileImages as FileImages, MemoryImages as MemoryImages
    from radfield_core.data.json_cameras import (
        CAMERA_KEYS as CAMERA_KEYS,
        INTRINSIC_KEYS as INTRINSIC_KEYS,
        LENS_KEYS as LENS_KEYS,
        JsonCameras as JsonCameras,
        number as number,
        parameters_of as parameters_of,
        present_in_all as present_in_all,
        read_json_cameras as read_json_cameras,
        unknown_key_notes as unknown_key_notes,
        unknown_keys as unknown_keys,
    )
    from radfield_core.data.map_files import (
        MILLIMETERS as MILLIMETERS,
        SurfaceFiles as SurfaceFiles,
        find_maps as find_maps,
        read_depths as read_depths,
        read_normals as read_normals,
    )
    from radfield_core.data.mask_files import FileMasks as FileMasks
    from radfield_core.data.masks import (
        WithAlpha as WithAlpha,
        all_have_masks as all_have_masks,
        warn_about_lost_masks as warn_about_lost_masks,
    )
    from radfield_core.data.observations import Observations as Observations, depth_sigmas as depth_sigmas
    from radfield_core.data.pairing import (
        in_other_order as in_other_order,
        listed as listed,
        numbers_in as numbers_in,
        pair_names as pair_names,
        pair_with_numbers as pair_with_numbers,
    )
    from radfield_core.data.placement import (
        MAX_DISTANCE as MAX_DISTANCE,
        camera_box as camera_box,
        content_box as content_box,
        focus_point as focus_point,
        near_far_limits as near_far_limits,
        normalizing_similarity as normalizing_similarity,
    )
    from radfield_core.data.point_files import ply_points as ply_points, read_ply_points as read_ply_points
    from radfield_core.data.points import unused_points as unused_points, usable_points as usable_points
    from radfield_core.data.poses import (
        check_poses as check_poses,
        pose_fault as pose_fault,
        read_pose as read_pose,
        rotation_quaternion as rotation_quaternion,
    )
    from radfield_core.data.scene import ImageSource as ImageSource
    from radfield_core.data.similarity import (
        similarity_between as similarity_between,
        similarity_matrix as similarity_matrix,
        similarity_scale as similarity_scale,
        transform_cameras as transform_cameras,
        transform_points as transform_points,
    )
    from radfield_core.data.splits import (
        choose_split as choose_split,
        holdout_splits as holdout_splits,
        split_notes as split_notes,
    )
    from radfield_core.data.stored_views import StoredView as StoredView, views_to_store as views_to_store

_HOMES = {
    "capture": "Capture add_unreadable common_lens is_missing read_available_headers scene_box shrink_factor",
    "folds": "fold_warnings",
    "image_files": "IMAGE_SUFFIXES MAX_IMAGE_PIXELS ImageFault ImageHeader orientation_notes read_header read_headers",
    "images": "FileImages MemoryImages",
    "json_cameras": (
        "CAMERA_KEYS INTRINSIC_KEYS LENS_KEYS JsonCameras number parameters_of present_in_all read_json_cameras "
        "unknown_key_notes unknown_keys"
    ),
    "map_files": "MILLIMETERS SurfaceFiles find_maps read_depths read_normals",
    "mask_files": "FileMasks",
    "masks": "WithAlpha all_have_masks warn_about_lost_masks",
    "observations": "Observations depth_sigmas",
    "pairing": "in_other_order listed numbers_in pair_names pair_with_numbers",
    "placement": "MAX_DISTANCE camera_box content_box focus_point near_far_limits normalizing_similarity",
    "point_files": "ply_points read_ply_points",
    "points": "unused_points usable_points",
    "poses": "check_poses pose_fault read_pose rotation_quaternion",
    "scene": "ImageSource",
    "similarity": "similarity_between similarity_matrix similarity_scale transform_cameras transform_points",
    "splits": "choose_split holdout_splits split_notes",
    "stored_views": "StoredView views_to_store",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name as public
    __getattr__, __dir__ = lazy(__name__, _HOMES)
