"""converter:triangulated — points of a reconstruction whose cameras are known, computed with pycolmap.

V is the number of images.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from radfield_colmap.config import TriangulatedConfig
from radfield_colmap.model import camera_to_world, choose_model
from radfield_colmap.reading import read_model
from radfield_colmap.solver import FEATURES_TOGETHER, Stages, import_pycolmap, match, quiet
from radfield_core import Converter, DatasetError, ProgressCallback, plural
from radfield_core.files import atomic_path, require_empty


class Triangulated(Converter):
    """Converter from a reconstruction to the same reconstruction with new points. Cameras and poses stay as they are.

    Features are found in all images and matched between images whose cameras are near each other and look in similar
    directions. Matches that agree with the cameras become points.
    """

    config: TriangulatedConfig

    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Write images/, masks/ if there are any, and sparse/0 with triangulated points.

        `stage` is first "features", counted in images, then "matches", in pairs, and "triangulation".

        Raises:
            DatasetError: the source has no usable reconstruction, or no point could be triangulated.
            PluginError: pycolmap is not installed.
        """

        def shown(stage: str, done: int, of: int) -> None:
            self.stage = stage
            if progress is not None:
                progress(done, of)

        pycolmap = import_pycolmap("triangulating points")
        require_empty(target)
        folder, _ = choose_model(source)
        model = read_model(folder)
        names = [image.name for image in model.images]
        if spaced := [name for name in names if len(name.split()) > 1]:
            raise DatasetError(
                "pycolmap cannot match images with spaces in their names", path=spaced[0], hint="Rename it"
            )
        c2w = np.stack([camera_to_world(image) for image in model.images])
        pairs = near_pairs(c2w, self.config.neighbors)
        with tempfile.TemporaryDirectory() as scratch, atomic_path(target) as result, quiet(pycolmap):
            sparse = result / "sparse" / "0"
            sparse.mkdir(parents=True)
            for name in ("images", "masks"):
                if (source / name).is_dir():
                    shutil.copytree(source / name, result / name)
            known = pycolmap.Reconstruction(folder)
            database = Path(scratch) / "database.db"
            self._find_features(pycolmap, database, known, names, result, shown)
            self._match(pycolmap, database, [(names[i], names[j]) for i, j in pairs], Path(scratch), shown)
            found = self._triangulate(pycolmap, database, known, result, shown)
            if not found.num_points3D():
                raise DatasetError(
                    f"no points could be triangulated from {plural(len(names), 'image')}", path=str(source),
                    hint="Check the cameras with radfield data inspect, and use sharp images of a scene with texture",
                )  # fmt: skip
            found.write_binary(sparse)
        self.remarks.append(
            f"triangulated {plural(found.num_points3D(), 'point')} from {plural(len(names), 'image')}, mean "
            f"reprojection error {found.compute_mean_reprojection_error():.2f} px, with pycolmap {pycolmap.__version__}"
        )
        return sorted(path for path in target.rglob("*") if path.is_file())

    def _find_features(
        self, pycolmap: Any, database: Path, known: Any, names: list[str], folder: Path, shown: Stages
    ) -> None:
        """Find features in all images. The database gets the known cameras, so that none are estimated."""
        with pycolmap.Database.open(database) as opened:
            for camera in known.cameras.values():
                opened.write_camera(camera, use_camera_id=True)
            for rig in known.rigs.values():
                opened.write_rig(rig, use_rig_id=True)
            for frame in known.frames.values():
                opened.write_frame(frame, use_frame_id=True)
            for image in known.images.values():
                opened.write_image(image, use_image_id=True)
        extraction, reader = pycolmap.FeatureExtractionOptions(), pycolmap.ImageReaderOptions()
        extraction.max_image_size, extraction.use_gpu = self.config.max_size, False
        if (folder / "masks").is_dir():
            reader.mask_path = folder / "masks"
        for start in range(0, len(names), FEATURES_TOGETHER):
            shown("features", start, len(names))
            pycolmap.extract_features(
                database, folder / "images", names[start : start + FEATURES_TOGETHER], reader_options=reader,
                extraction_options=extraction, device=pycolmap.Device.cpu,
            )  # fmt: skip
        shown("features", len(names), len(names))

    def _match(self, pycolmap: Any, database: Path, pairs: list[tuple[str, str]], scratch: Path, shown: Stages) -> None:
        options = pycolmap.FeatureMatchingOptions()
        options.use_gpu = False
        match(pycolmap, database, pairs, scratch, options, shown)

    def _triangulate(self, pycolmap: Any, database: Path, known: Any, folder: Path, shown: Stages) -> Any:
        shown("triangulation", 0, 1)
        options = pycolmap.IncrementalPipelineOptions()
        options.random_seed = self.config.seed
        pycolmap.set_random_seed(self.config.seed)
        with tempfile.TemporaryDirectory() as written:
            found = pycolmap.triangulate_points(known, database, folder / "images", written, options=options)
        shown("triangulation", 1, 1)
        return found


def near_pairs(c2w: np.ndarray, neighbors: int) -> list[tuple[int, int]]:
    """Return pairs of views (i, j) with i < j: each view, and the views that most likely show the same things.

    These have the smallest sum of the distance of the cameras, as a share of the median distance, and the angle between
    the directions of view in radians.

    Args:
        c2w: [V, 3, 4], camera-to-world matrices.
        neighbors: number of other views for each view.
    """
    n = len(c2w)
    distances = np.linalg.norm(c2w[:, None, :, 3] - c2w[None, :, :, 3], axis=-1)
    usual = float(np.median(distances[~np.eye(n, dtype=bool)])) if n > 1 else 1.0
    cosines = np.clip(c2w[:, :, 2] @ c2w[:, :, 2].T, -1.0, 1.0)
    scores = distances / max(usual, 1e-12) + np.arccos(cosines)
    np.fill_diagonal(scores, np.inf)
    nearest = np.argsort(scores, axis=1, kind="stable")[:, : min(neighbors, n - 1)]
    return sorted({(min(i, int(j)), max(i, int(j))) for i in range(n) for j in nearest[i]})
