"""Open a run's data for training, and check every image of every split before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from radfield_core.config.files import dump, parse_table, read_table
from radfield_core.config.run import RunConfig
from radfield_core.config.view_options import divided
from radfield_core.data import bad_images
from radfield_core.data.mask_files import mask_warnings
from radfield_core.data.missing_images import find_missing
from radfield_core.data.pixel_budget import check_pixels
from radfield_core.data.scene import Scene
from radfield_core.errors import NoSuchSplit, SplitWithoutImages, UsageError, summarized
from radfield_core.inspection.image_checks import image_warnings
from radfield_core.inspection.report import camera_findings
from radfield_core.interfaces import Method
from radfield_core.names import Lines
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.known_data import KnownData
from radfield_core.runs.scenes import Scenes
from radfield_core.runs.stored_run import data_root


def open_data(
    run: RunConfig, method: Method, left_out: Mapping[str, Sequence[int]], *, quiet: bool = False
) -> tuple[Scenes, list[str]]:
    """Open every split and check every image. If the method trains on rays, also decode the training images.

    Args:
        run: the run's options.
        method: the run's method.
        left_out: split -> numbers of the views to exclude. A resumed run excludes the same views as before.
        quiet: show no progress.

    Returns:
        The splits and a list of warnings. Bad images are excluded from the splits if the options allow it.

    Raises:
        DatasetError: the training split is empty, or images cannot be read. The error names every bad image.
    """
    scenes = Scenes(run)
    absent: list[str] = []
    opened = opened_splits(scenes, absent)
    missing = find_missing(opened)
    missing.check(run.scene.max_missing_share, len(opened["train"].cameras))
    scenes.leave_out(missing.views)
    opened = opened_splits(scenes)
    check_pixels(opened, divided(run.data.config)[1].max_gigapixels)
    cache_mb = run.scene.image_cache_mb if method.batching == "rays" else None
    found: list[bad_images.BadImage] = []
    seen: dict[Path, str] = {}
    for split, scene in opened.items():
        keep_mb = cache_mb if split == "train" else None
        found += bad_images.find_bad_images(scene, split, keep_mb, quiet=quiet, seen=seen)
    bad = bad_images.choose_left_out(found, opened, run.scene)
    numbers = {split: scenes.numbers(split) for split in bad}
    scenes.leave_out({split: [numbers[split][view] for view in views] for split, views in bad.items()})
    scenes.leave_out(left_out)
    if cache_mb is not None and (left_out or bad):
        bad_images.decode_all(scenes.get("train"), cache_mb, quiet=quiet)
    train = scenes.get("train")
    absent += [missing.warning] if missing.names else []
    warnings = [*absent, *_warnings(opened), *camera_findings(train, run.data.config)[1], *mask_warnings(train)]
    warnings += image_warnings(train)
    return scenes, [*warnings, *(f"left out: {each.headline()}" for each in summarized(bad.problem for bad in found))]


def left_out_before(run: RunConfig, folder: RunFolder) -> dict[str, list[int]]:
    """Return the views that were left out before a run is resumed, as a dictionary: split -> numbers.

    If the options of the data differ from the stored ones, the numbers may stand for other views. The result is then
    empty, and images that are missing or unreadable are searched for again.
    """
    before, now = read_table(folder.config).get("data"), parse_table(dump(run)).get("data")
    same = isinstance(before, dict) and isinstance(now, dict) and {**before, "root": ""} == {**now, "root": ""}
    return folder.left_out() if same else {}


def opened_splits(scenes: Scenes, absent: list[str] | None = None) -> dict[str, Scene]:
    """Return every split that is not empty. Raises NoSuchSplit if the training split is empty.

    If `absent` is given, a message is added to `absent` for each split that lists images but has none of them.
    """
    opened = {}
    for split in scenes.splits:
        try:
            opened[split] = scenes.get(split)
        except NoSuchSplit as error:
            if split == "train":
                raise
            if absent is not None and isinstance(error, SplitWithoutImages):
                absent.append(error.problems[0].message)
    return opened


def changes_of_data(run: RunConfig, folder: RunFolder, opened: Mapping[str, Scene], *, allowed: bool) -> list[str]:
    """Return the differences between the data of a run to resume and the data that it was trained on.

    Raises:
        UsageError: the cameras or the region differ, and `allowed` is False.
    """
    known, geometry, files = KnownData.read(folder), [], []
    for split, scene in opened.items():
        found = known.changes(split, scene, data_root(run))
        geometry += found[0]
        files += found[1]
    if geometry and not allowed:
        raise UsageError(
            Lines.of("the data differ from those that the run was trained on:", *(f"  {line}" for line in geometry)),
            path=str(folder.path),
            hint="Give the original data with --data, or add --allow-config-change to continue with the new data",
        )
    return [f"the data have changed: {line}" for line in (*geometry, *files)]


def _warnings(opened: Mapping[str, Scene]) -> list[str]:
    """Return warnings about splits that are missing or too small."""
    warnings = []
    if "val" not in opened and "test" not in opened:
        warnings.append("the data has neither validation nor test views; nothing will be evaluated")
    if len(opened["train"].cameras) == 1:
        warnings.append("the data has a single training view; depth cannot be learned from it")
    return warnings


def quick_evaluation(
    run: RunConfig, method: Method, scenes: Scenes, *, pictures: bool = False
) -> QuickEvaluation | None:
    """Return an evaluation of a few views of the validation split, which also makes pictures if `pictures` is True.

    If there are no validation views, it evaluates views of the test split. If both splits are empty, return None.
    """
    for split in ("val", "test"):
        if split in scenes.splits:
            try:
                scene = scenes.get(split)
            except NoSuchSplit:
                continue
            trainer, chunk = run.trainer, run.eval.rays_per_chunk
            return QuickEvaluation(
                method, scene, split, trainer.eval_views, chunk, trainer.eval_scale,
                pictures=pictures, fit_color=run.eval.fit_color,
            )  # fmt: skip
    return None
