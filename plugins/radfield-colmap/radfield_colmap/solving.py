"""Cameras of photographs: features, matches, reconstructions, and the lens. All computed by pycolmap.

The photographs lie in one folder under the names 000000.jpg, 000001.jpg, … in their natural order, because COLMAP
compares neighbors in the order of names as text.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radfield_colmap.model import MODEL_NAMES, camera
from radfield_colmap.solver import FEATURES_TOGETHER, Stages, match
from radfield_core.data import read_headers
from radfield_core.ops.distortion import distort, undistort

EXHAUSTIVE_UP_TO = 150
"""Largest number of photographs for which all pairs are matched.

With more photographs, each one is matched only with its neighbors in the order of their names.
"""

ENOUGH = 0.8
"""If the share of registered photographs is smaller than this, another lens is tried, and the user gets advice."""

FIRST_LENS, OTHER_LENS = "SIMPLE_RADIAL", "OPENCV"
"""Lens of the first reconstruction, and that of the second, which is tried if the first leaves photographs out.

Few coefficients are found reliably from two photographs. With many, a reconstruction often ends after a few.
"""

FREED = ("RADIAL", "OPENCV")
"""Lenses that the last bundle adjustments try, in this order."""

_LESS_ERROR = 0.98
"""A lens with more coefficients must lower the mean reprojection error to this share to be kept."""

_OBSERVATIONS_PER_CAMERA = 500
"""With fewer observations per camera, a lens keeps its one coefficient."""

_MAX_LENS_ERROR = 0.1
"""A lens must undistort and distort the border of the picture with an error of at most this many pixels."""

_MAX_TANGENTIAL = 0.02
_SMALLEST_MODEL = 3
_OVERLAP = 10


def find_features(
    pycolmap: Any, database: Path, images: Path, groups: Sequence[Sequence[str]], max_size: int, progress: Stages
) -> None:
    """Find the features of all photographs. The photographs of a group share one camera if they have the same size.

    Args:
        pycolmap: the module.
        database: the database to write.
        images: folder of the photographs.
        groups: names of the photographs, divided by the folder they come from.
        max_size: length in pixels of the longer side to which photographs are reduced.
        progress: progress callback.
    """
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = max_size
    extraction.use_gpu = False
    done, total = 0, sum(map(len, groups))
    for names in groups:
        one_camera = len({header[:2] for header in read_headers([images / name for name in names])[0]}) == 1
        mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.PER_IMAGE
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = FIRST_LENS
        for start in range(0, len(names), FEATURES_TOGETHER):
            progress("features", done + start, total)
            if one_camera and start:
                reader.existing_camera_id = _newest_camera(pycolmap, database)
            pycolmap.extract_features(
                database, images, list(names[start : start + FEATURES_TOGETHER]), camera_mode=mode,
                reader_options=reader, extraction_options=extraction, device=pycolmap.Device.cpu,
            )  # fmt: skip
        done += len(names)
    progress("features", total, total)


def _newest_camera(pycolmap: Any, database: Path) -> int:
    with pycolmap.Database.open(database) as opened:
        return max(int(camera.camera_id) for camera in opened.read_all_cameras())


def chosen_pairs(n: int, which: str) -> list[tuple[int, int]]:
    """Return the pairs (i, j), i < j, of n photographs to match. If `which` is "auto", n decides.

    Neighbors are the ten next photographs, and those that follow after 2, 4, 8, … 512.
    """
    if which == "all" or (which == "auto" and n <= EXHAUSTIVE_UP_TO):
        return [(i, j) for i in range(n) for j in range(i + 1, n)]
    steps = sorted({*range(1, _OVERLAP + 1), *(2**k for k in range(_OVERLAP))})
    return [(i, i + step) for i in range(n) for step in steps if i + step < n]


def match_photographs(
    pycolmap: Any, database: Path, names: Sequence[str], which: str, scratch: Path, progress: Stages
) -> None:
    """Match all pairs of photographs, or only neighbors in their order. See `chosen_pairs`."""
    pairs = [(names[i], names[j]) for i, j in chosen_pairs(len(names), which)]
    options = pycolmap.FeatureMatchingOptions()
    options.use_gpu = False
    match(pycolmap, database, pairs, scratch, options, progress)


def reconstruct(
    pycolmap: Any, database: Path, images: Path, scratch: Path, n: int, seed: int, progress: Stages
) -> list[Any]:
    """Return the reconstructions of n photographs, the largest first.

    The first lens has one coefficient. If this leaves out more than a fifth of the photographs, a lens with four is
    tried, and the result with more photographs is returned.
    """
    found = _mapped(pycolmap, database, images, scratch / "models", n, seed, progress)
    if _largest(found) >= ENOUGH * n:
        return found
    copy = scratch / "other_lens.db"
    shutil.copyfile(database, copy)
    with pycolmap.Database.open(copy) as opened:
        for each in opened.read_all_cameras():
            set_lens(each, OTHER_LENS)
            opened.update_camera(each)
    again = _mapped(pycolmap, copy, images, scratch / "models_of_other_lens", n, seed, progress)
    return again if _largest(again) > _largest(found) else found


def _largest(models: Sequence[Any]) -> int:
    return int(models[0].num_reg_images()) if models else 0


def _mapped(
    pycolmap: Any, database: Path, images: Path, models: Path, n: int, seed: int, progress: Stages
) -> list[Any]:
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = seed
    options.min_model_size = _SMALLEST_MODEL
    options.num_threads = os.cpu_count() or 1
    count = 0

    def registered(so_far: int) -> None:
        nonlocal count
        count = min(so_far, n)
        progress("cameras", count, n)

    models.mkdir()
    found = pycolmap.incremental_mapping(
        database, images, models, options, initial_image_pair_callback=lambda: registered(2),
        next_image_callback=lambda: registered(count + 1),
    )  # fmt: skip
    return sorted(found.values(), key=lambda model: -model.num_reg_images())


def set_lens(camera: Any, name: str) -> None:
    """Change the lens of a pycolmap camera to "RADIAL" or "OPENCV". Its coefficients keep their values."""
    focal = float(np.mean([camera.focal_length_x, camera.focal_length_y]))
    rest = list(camera.params[camera.extra_params_idxs()])
    center = [camera.principal_point_x, camera.principal_point_y]
    radial = [*rest[:2], 0.0, 0.0][:2]
    known = camera.has_prior_focal_length
    camera.model = getattr(type(camera.model), name)
    camera.params = [focal, *center, *radial] if name == "RADIAL" else [focal, focal, *center, *radial, 0.0, 0.0]
    camera.has_prior_focal_length = known


def refined(pycolmap: Any, model: Any, progress: Stages) -> Any:
    """Return the reconstruction after a bundle adjustment with more lens coefficients, if this makes it better.

    The coefficients are kept if they lower the mean reprojection error, and if the lens stays invertible to the borders
    of the pictures. Otherwise, the reconstruction itself is returned.
    """
    best = model
    best.update_point_3d_errors()
    if best.compute_num_observations() < _OBSERVATIONS_PER_CAMERA * len(_used_cameras(best)):
        return best
    for number, name in enumerate(FREED):
        progress("lens", number, len(FREED))
        if any(each.model_name in FREED[number:] for each in _used_cameras(best)):
            continue
        candidate = pycolmap.Reconstruction(best)
        for each in candidate.cameras.values():
            set_lens(each, name)
        adjust(pycolmap, candidate)
        error, before = (each.compute_mean_reprojection_error() for each in (candidate, best))
        if error < _LESS_ERROR * before and all(map(invertible, _used_cameras(candidate))):
            best = candidate
    progress("lens", len(FREED), len(FREED))
    return best


def adjust(pycolmap: Any, model: Any) -> None:
    """Adjust all poses, points, focal lengths and lens coefficients of a reconstruction in place, without a log."""
    options, config = pycolmap.BundleAdjustmentOptions(), pycolmap.BundleAdjustmentConfig()
    options.print_summary = False
    options.ceres.solver_options.num_threads = os.cpu_count() or 1
    for number in model.reg_image_ids():
        config.add_image(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    model.update_point_3d_errors()


def _used_cameras(model: Any) -> list[Any]:
    numbers = {model.images[number].camera_id for number in model.reg_image_ids()}
    return [model.cameras[number] for number in sorted(numbers)]


def invertible(lens: Any) -> bool:
    """Return True if a pycolmap camera can undistort the borders of its pictures, and distort them back."""
    name = lens.model_name
    ours = camera(MODEL_NAMES.index(name), lens.width, lens.height, tuple(map(float, lens.params)))
    if name == "OPENCV" and np.abs(lens.params[-2:]).max() > _MAX_TANGENTIAL:
        return False
    x, y = np.linspace(0, lens.width, 33), np.linspace(0, lens.height, 33)
    border = np.concatenate(
        [[[a, b] for a in x for b in (0, lens.height)], [[a, b] for b in y for a in (0, lens.width)]]
    )
    focal, center = np.array(ours.intrinsics[:2]), np.array(ours.intrinsics[2:])
    plane = torch.from_numpy((border - center) / focal)
    parameters = torch.tensor(ours.distortion, dtype=torch.float64)
    back = distort(ours.lens, undistort(ours.lens, plane, parameters), parameters)
    error = np.abs((back - plane).numpy() * focal).max()
    return bool(np.isfinite(error) and error <= _MAX_LENS_ERROR)
