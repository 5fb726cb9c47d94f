"""The keys of a transforms file, and the files of a capture."""

from __future__ import annotations

from pathlib import Path

from radfield_core.data import CAMERA_KEYS

FRAME_KEYS = frozenset(
    {"file_path", "transform_matrix", "mask_path", "depth_file_path", "depth_path", "normal_file_path", "normal_path",
     "sharpness", "colmap_im_id",
     "rotation", *CAMERA_KEYS}
)  # fmt: skip
FILE_KEYS = frozenset(
    {"frames", "aabb_scale", "scale", "offset", "applied_transform", "applied_scale", "ply_file_path",
     "train_filenames", "val_filenames", "test_filenames", "orientation_override", "integer_depth_scale",
     "depth_unit_scale_factor",
     "n_extra_learnable_dims", *CAMERA_KEYS}
)  # fmt: skip


def folder_and_files(root: Path) -> tuple[Path, dict[str | None, Path]]:
    """Return the folder of a capture, and its transforms files by split. A file for all splits has the key None."""
    if root.suffix == ".json":
        return root.parent, {None: root}
    if (root / "transforms.json").is_file() or not (root / "transforms_train.json").is_file():
        return root, {None: root / "transforms.json"}
    files = {split: root / f"transforms_{split}.json" for split in ("train", "val", "test")}
    return root, {split: path for split, path in files.items() if path.is_file()}
