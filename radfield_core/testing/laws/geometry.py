"""Laws of exporters and metrics, checked on a sphere. The laws of exported coordinates are in `exported`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from radfield_core.data.scene import Scene
from radfield_core.errors import RadfieldError
from radfield_core.interfaces import Exporter, Model
from radfield_core.runs.export_target import output_of, target_of
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.laws.exported import export_target
from radfield_core.testing.sphere import DATA_SCALE, empty_model, sphere_model
from radfield_core.testing.under_test import PartUnderTest


def _exported(tested: PartUnderTest, folder: str) -> list[Path]:
    """Export the sphere into a folder, and return the files."""
    exporter: Exporter = tested.build()
    return exporter.export(*sphere_model(tested), export_target(tested, folder))


def _result(tested: PartUnderTest, model: Model, scene: Scene, name: str) -> Any:
    """Run the part, with the folder `name` to write to. Return the bytes of the files that an exporter writes, or the
    numbers that a metric measures."""
    part, folder = tested.build(), tested.folder / name
    if tested.kind == "exporter":
        return [path.read_bytes() for path in part.export(model, scene, export_target(tested, name))]
    folder.mkdir()
    return part.measure(model, scene, None, folder)


@law("exporter", fix="Write to the given path, declare what it is with writes=Output…, and return every file written.")
def returned_files_exist(tested: PartUnderTest) -> None:
    """export writes what the exporter declares: the given file, and beside it only files whose names begin with the
    same name; or files in the given folder. It returns exactly the files that it wrote, and none of them is empty."""
    files = _exported(tested, "new")
    expect(files, "export returned no file")
    for file in files:
        expect(file.is_file() and file.stat().st_size > 0, f"{file.name} does not exist or is empty")
        expect(file.is_relative_to(tested.folder / "new"), f"{file} lies outside the given folder")
    written = {path for path in (tested.folder / "new").rglob("*") if path.is_file()}
    extra = ", ".join(path.name for path in written - set(files))
    expect(not extra, f"these files were written but not returned: {extra}")
    if not output_of(tested.choice).is_folder:
        main = target_of(tested.choice, tested.folder / "new" / "out")
        expect(main in written, f"{main.name} was to be written, but was not")
        foreign = [path.name for path in files if not path.name.startswith("out")]
        expect(not foreign, f"these names do not begin with 'out': {', '.join(foreign)}")


@law("exporter", "metric", fix="Evaluate the model under no_grad, restore its mode, and change no parameter or buffer.")
def the_model_is_not_modified(tested: PartUnderTest) -> None:
    """An exporter or metric leaves the model's parameters, buffers and mode unchanged, and sets no gradients."""
    model, scene = sphere_model(tested)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _result(tested, model, scene, "once")
    expect(model.training, "the model is no longer in training mode")
    same = all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    expect(same, "a parameter or buffer of the model was changed")
    expect(all(parameter.grad is None for parameter in model.parameters()), "a parameter has a gradient now")


@law("exporter", "metric", fix="Seed random numbers, and sort results that come in no fixed order.")
def same_model_gives_the_same_result(tested: PartUnderTest) -> None:
    """An exporter called twice writes the same bytes. A metric called twice returns the same numbers."""
    model, scene = sphere_model(tested)
    first, second = (_result(tested, model, scene, name) for name in ("first", "second"))
    expect(first == second, "the second result differs from the first")


@law(
    "exporter",
    when=lambda tested: bool(tested.requires.get("field")),
    fix="Raise NoSurface with the range of the field's values before writing a file.",
)
def no_surface_raises_an_error(tested: PartUnderTest) -> None:
    """For a model without a surface, export raises a RadfieldError and writes no file."""
    model, scene = empty_model(tested)
    try:
        tested.build().export(model, scene, export_target(tested, "empty"))
    except RadfieldError:
        left = [path for path in (tested.folder / "empty").rglob("*") if path.is_file()]
        expect(not left, f"these files were written: {', '.join(path.name for path in left)}")
        return
    except Exception as error:
        raise LawBroken(f"export raises {type(error).__name__}, not a RadfieldError: {error}") from error
    raise LawBroken("export raises no error although there is no surface")


@law("metric", fix="Return plain Python values: float(x) instead of tensors and arrays.")
def measurements_are_json_numbers(tested: PartUnderTest) -> None:
    """The result of measure can be stored as JSON. It holds at least one number, and no infinity or NaN."""
    found = _result(tested, *sphere_model(tested), "once")
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LawBroken(f"JSON cannot hold the result: {error}") from error
    expect(_numbers(found), "the result holds no number")


@law(
    "metric", fix="Measure distances in the data's own coordinates, between points given by scene.data_points(points)."
)
def lengths_are_in_the_data_unit(tested: PartUnderTest) -> None:
    """If all of the data's coordinates become three times as large, each length in the result becomes three times as
    large, and all other numbers stay the same. At least one number is a length."""
    one = _numbers(_result(tested, *sphere_model(tested), "one"))
    three = _numbers(_result(tested, *sphere_model(tested, 3 * DATA_SCALE), "three"))
    expect(one.keys() == three.keys(), "the result has different keys after the data's coordinates are multiplied by 3")
    lengths = 0
    for name, value in one.items():
        if abs(value) < 1e-9 or abs(three[name]) < 1e-9:
            continue
        ratio = three[name] / value
        message = f"if the data's coordinates are multiplied by 3, {name} is multiplied by {ratio:.3g}"
        expect(abs(ratio - 1) < 0.1 or abs(ratio - 3) < 0.3, message)
        lengths += abs(ratio - 3) < 0.3
    expect(lengths, "no number grows with the data's coordinates, so lengths seem to be in scene coordinates")


def _numbers(found: Any, prefix: str = "") -> dict[str, float]:
    """Every number in a nested table, as dotted name -> number."""
    if isinstance(found, dict):
        return {k: v for key, value in found.items() for k, v in _numbers(value, f"{prefix}{key}.").items()}
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return {prefix.removesuffix("."): float(found)}
    return {}
