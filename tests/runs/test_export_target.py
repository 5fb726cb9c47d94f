"""The target of an export: files and folders are told apart, and nothing but an earlier export is replaced."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from radfield_core.config.slots import Choice
from radfield_core.errors import UsageError
from radfield_core.plugin import Output, component
from radfield_core.runs.export_target import check_target, sidecar_of, target_of


def chosen(writes: Output, **options: object) -> Choice:
    declared = component("exporter", "views", impl="x:Y", config="x:Z", summary="s", writes=writes)
    return Choice("views", declared, SimpleNamespace(**options))


FOLDER, FILE = chosen(Output.folder()), chosen(Output.file("ply", "obj"))


@pytest.mark.parametrize(
    ("choice", "out", "inside", "target"),
    [
        (FILE, "a.obj", False, "a.obj"), (FILE, "a", False, "a.ply"), (FILE, "there", False, "there/views.ply"),
        (FILE, "new", True, "new/views.ply"), (chosen(Output.file("ply", "obj"), format="obj"), "a", False, "a.obj"),
        (FOLDER, "there", False, "there"), (FOLDER, "new", True, "new"), (FOLDER, "v1.5", False, "v1.5"),
    ],
)  # fmt: skip
def test_a_file_goes_into_a_folder_and_a_folder_is_the_path_itself(choice, out, inside, target, tmp_path) -> None:
    (tmp_path / "there").mkdir()
    assert target_of(choice, tmp_path / out, inside) == tmp_path / target


@pytest.mark.parametrize("name", ["transforms.json", "a.PNG", "depth.xyzw"])
def test_a_folder_is_not_given_the_name_of_a_file(name: str, tmp_path: Path) -> None:
    choice = chosen(Output.folder(coordinates=["transforms.json", "*.xyzw"]))
    with pytest.raises(UsageError, match="has the ending of a file") as caught:
        target_of(choice, tmp_path / name)
    assert caught.value.problems[0].hint == f"--out {tmp_path / Path(name).stem}"
    assert target_of(choice, tmp_path / name, inside=True) == tmp_path / name, "with a slash at its end, it is a folder"


@pytest.mark.parametrize(
    ("writes", "target", "sidecar"),
    [
        (Output.folder(), "a", "a/export.json"), (Output.folder(coordinates=()), "a", "a/export.json"),
        (Output.file("ply"), "a.ply", "a.ply.json"), (Output.file("json"), "transforms.json", "transforms.export.json"),
        (Output.file("png", coordinates=False), "a.png", None),
    ],
)  # fmt: skip
def test_each_export_has_one_sidecar(writes: Output, target: str, sidecar: str | None) -> None:
    assert sidecar_of(chosen(writes), Path(target)) == (None if sidecar is None else Path(sidecar))


def exported(folder: Path, exporter: str = "exporter:views") -> Path:
    """An earlier export of two files into a folder."""
    (folder / "depth").mkdir(parents=True)
    for name in ("a.txt", "depth/0.npy"):
        (folder / name).write_text("x")
    sidecar = {"exporter": exporter, "files": {"a.txt": {}, "depth/0.npy": {}}}
    (folder / "export.json").write_text(json.dumps(sidecar))
    return folder


def test_a_new_and_an_empty_folder_and_an_earlier_export_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        check_target(FOLDER, tmp_path / name)
    check_target(FOLDER, exported(tmp_path / "old"))
    assert not (tmp_path / "new").exists()


def test_what_is_not_an_earlier_export_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(exported(tmp_path / "linked"))
    (exported(tmp_path / "changed") / "depth" / "notes.txt").write_text("mine")
    cases = {
        "mine": "holds files already, and is not an export", "file": "is a file, but exporter 'views' writes a folder",
        "link": "is a link", "changed": "1 file that the earlier export did not write",
    }  # fmt: skip
    for name, message in cases.items():
        with pytest.raises(UsageError, match=message) as caught:
            check_target(FOLDER, tmp_path / name)
        assert caught.value.problems[0].path == str(tmp_path / name) and caught.value.problems[0].hint
    with pytest.raises(UsageError, match="is an export by exporter:cameras"):
        check_target(FOLDER, exported(tmp_path / "other", "exporter:cameras"))


@pytest.mark.parametrize("content", ["{}", "[1]", "no JSON", '{"exporter": "x"}'])
def test_a_json_file_of_the_user_is_not_replaced_by_a_sidecar(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.ply.json").write_text(content)
    with pytest.raises(UsageError, match="is not the description of an export"):
        check_target(FILE, tmp_path / "a.ply")
    (tmp_path / "a.ply.json").write_text(json.dumps({"exporter": "exporter:mesh", "files": {}}))
    check_target(FILE, tmp_path / "a.ply")
