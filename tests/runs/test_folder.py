"""Run folders: their files, how they are found, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs
import pytest

from radfield_core.config.slots import Choice, option, slot
from radfield_core.errors import StorageError, UsageError
from radfield_core.plugin import component
from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint import State
from radfield_core.runs.folder import (
    RunFolder,
    find_run,
    fresh_folder,
    load_state,
    new_run,
    point_latest,
    scene_name,
)


@attrs.frozen(kw_only=True)
class Inner:
    """No options."""


@attrs.frozen(kw_only=True)
class Data:
    """Options with the path of the data."""

    root: str = option("x", help="the folder")


@attrs.frozen(kw_only=True)
class Outer:
    """A part within a part."""

    encoding: Choice = slot("encoding", help="an encoding")


@attrs.frozen(kw_only=True)
class Run:
    """As much of a run's options as folders need."""

    method: Choice
    data: Choice
    field: Choice | None = None


def choice(kind: str, name: str, config: object, distribution: str = "radfield-core") -> Choice:
    declared = component(kind, name, impl="x:Y", config="x:Z", summary="s")._replace(distribution=distribution)
    return Choice(name, declared, config)


def a_run(root: str = "/data/my scene/") -> Run:
    inner = choice("encoding", "waves", Inner(), "no-such-distribution")
    return Run(
        method=choice("method", "toy", Inner()), data=choice("dataparser", "files", Data(root=root)),
        field=choice("field", "net", Outer(encoding=inner)),
    )  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> RunFolder:
    """A run with checkpoints at steps 1 and 2."""
    folder = RunFolder(tmp_path / "run")
    folder.check_writable()
    folder.record("a = 1\n", {"radfield-core": "1"})
    for step in (1, 2):
        checkpoint.save(folder.checkpoints, State(step, {}))
    return folder


def test_runs_go_below_outputs_by_scene_method_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = new_run(a_run(), None), new_run(a_run(), None)  # type: ignore[arg-type]
    assert first.path != second.path
    assert first.path.parent == second.path.parent == Path("outputs/my-scene/toy")
    assert not (Path("outputs") / "latest").exists()  # nothing is recorded in either
    point_latest(second.path)
    assert (Path("outputs") / "latest").resolve() == second.path.resolve()


def test_only_a_folder_in_which_nothing_was_recorded_is_removed(made: RunFolder, tmp_path: Path) -> None:
    made.remove_if_unused()
    assert made.config.is_file() and len(list(made.checkpoints.iterdir())) >= 2
    unused, shared = RunFolder(tmp_path / "unused"), RunFolder(tmp_path / "shared")
    for folder in (unused, shared):
        folder.check_writable()
    (shared.path / "notes.txt").write_text("mine")
    for folder in (unused, shared):
        with folder.locked():
            folder.remove_if_unused()
    assert not unused.path.exists() and (shared.path / "notes.txt").read_text() == "mine"


def test_where_links_are_not_possible_a_file_names_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = new_run(a_run(), None)  # type: ignore[arg-type]
    folder.record("", {})
    point_latest(folder.path)
    assert find_run(Path("outputs/latest"))[0].path == folder.path


def test_latest_is_the_newest_below_outputs_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside, outside, latest = Path("outputs/demo/mine"), tmp_path / "outside", Path("outputs/latest")
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    point_latest(inside.absolute())
    point_latest(outside)
    point_latest(Path("outputs"))
    assert latest.readlink() == Path("demo/mine")
    latest.unlink()
    latest.mkdir()  # somebody's own
    point_latest(inside)
    assert not latest.is_symlink() and sorted(path.name for path in Path("outputs").iterdir()) == ["demo", "latest"]


def test_out_is_the_folder_itself_and_may_not_hold_a_run(made: RunFolder, tmp_path: Path) -> None:
    assert new_run(a_run(), tmp_path / "here").path == tmp_path / "here"  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="holds a run already") as caught:
        new_run(a_run(), made.path)  # type: ignore[arg-type]
    assert "--resume" in caught.value.problems[0].hint


def test_a_run_to_resume_is_quoted_for_the_shell(made: RunFolder) -> None:
    odd = made.path.rename(made.path.parent / "demo run é")
    with pytest.raises(UsageError) as caught:
        new_run(a_run(), odd)  # type: ignore[arg-type]
    assert f"--resume '{odd}'," in caught.value.problems[0].hint
    with pytest.raises(UsageError) as caught:
        find_run(odd.parent / "demo run e")
    assert f"'{odd}'" in caught.value.problems[0].hint


def test_a_folder_that_exists_gets_a_neighbor(tmp_path: Path) -> None:
    first = fresh_folder(tmp_path)
    first.mkdir()
    assert fresh_folder(tmp_path) != first


@pytest.mark.parametrize(("root", "name"), [("a/lego/", "lego"), ("x/two words.npz", "two-words"), ("/", "scene")])
def test_the_scene_is_called_after_its_path(root: str, name: str) -> None:
    assert scene_name(a_run(root)) == name  # type: ignore[arg-type]


def test_a_run_is_found_by_its_folder_its_checkpoints_or_one_of_them(made: RunFolder) -> None:
    one = made.checkpoints / "step-000000001"
    assert find_run(made.path) == (made, None)
    assert find_run(made.checkpoints) == (made, None)
    assert find_run(one) == (made, one)
    assert load_state(made, None)[0].step == 2 and load_state(made, one)[0].step == 1


@pytest.mark.parametrize("name", ["rum", "run/checkpoints/step-000000009", "nothing"])
def test_a_path_that_is_no_run_is_refused_with_a_near_name(made: RunFolder, name: str) -> None:
    with pytest.raises(UsageError, match="neither a run folder nor a checkpoint") as caught:
        find_run(made.path.parent / name)
    if name == "rum":
        assert caught.value.problems[0].hint.endswith("/run")


@pytest.mark.parametrize("name", ["config.toml", "metrics.json", "checkpoints/step-000000001/model.bin"])
def test_a_path_within_a_run_that_is_no_checkpoint_hints_at_the_run(made: RunFolder, name: str) -> None:
    with pytest.raises(UsageError, match="neither a run folder nor a checkpoint") as caught:
        find_run(made.path / name)
    assert caught.value.problems[0].hint.endswith(f" {made.path}")


def test_a_run_without_a_good_checkpoint_says_what_was_wrong_with_each(made: RunFolder) -> None:
    for path in checkpoint.list_steps(made.checkpoints):
        (path / "state.json").write_bytes(b"")
    with pytest.raises(StorageError, match="no checkpoint") as caught:
        load_state(made, None)
    assert "step-000000001" in str(caught.value) and "step-000000002" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["{", "[1, 2]", '{"a": 1}', '{"a":' * 100_000, "0" * 100, "{}" + " " * (16 * 2**20)],
    ids=lambda text: text[:8],
)
def test_unusable_plugins_json_and_scene_json_are_a_storage_error(made: RunFolder, text: str) -> None:
    assert made.stored_plugins() == {"radfield-core": "1"}
    made.plugins.write_text(text)
    with pytest.raises(StorageError, match=r"plugins\.json"):
        made.stored_plugins()
    made.scene.write_text('{"left_out": [1]}' if text == '{"a": 1}' else text)
    with pytest.raises(StorageError, match=r"scene\.json"):
        made.left_out()


def test_checking_that_a_folder_is_writable_leaves_nothing_behind(tmp_path: Path) -> None:
    RunFolder(tmp_path).check_writable()
    assert [path.name for path in tmp_path.rglob("*")] == ["checkpoints"]


def test_a_folder_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written to"):
        RunFolder(tmp_path / "file" / "run").check_writable()


IN_A_RUN = (
    ".lock", "config.toml", "plugins.json", "scene.json", "metrics.jsonl", "results.json", "checkpoints", "images",
    "exports", "spikes", "exports/mesh.ply", "checkpoints/latest", "checkpoints/step-000000002",
)  # fmt: skip


@pytest.mark.parametrize("name", IN_A_RUN)
def test_no_link_in_a_run_may_lead_out_of_it(made: RunFolder, tmp_path: Path, name: str) -> None:
    link = made.path / name
    target = tmp_path / "outside"
    if link.exists():
        link.rename(target)
    elif "." in name:
        target.write_text("precious")
    else:
        target.mkdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    with pytest.raises(StorageError, match="leads out of the folder") as caught:
        find_run(made.path)
    assert [problem.path for problem in caught.value.problems] == [str(link)] and str(target) in str(caught.value)


def test_a_new_run_does_not_start_in_a_folder_with_links_that_lead_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "metrics.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError, match=r"metrics\.jsonl: is a link that leads out"):
        new_run(a_run(), tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "victim").exists()


def test_all_links_that_lead_out_are_reported_at_once_and_a_run_may_itself_be_reached_by_a_link(
    made: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").symlink_to(made.path)
    (made.path / "inside").symlink_to("config.toml")
    assert find_run(tmp_path / "elsewhere")[0].path == made.path
    for name in ("a", "b"):
        (made.path / name).symlink_to("/etc")
    with pytest.raises(StorageError) as caught:
        find_run(made.path)
    assert sorted(Path(problem.path).name for problem in caught.value.problems) == ["a", "b"]


@pytest.mark.parametrize("kind", ["link", "pipe", "hard link", "folder"])
def test_a_lock_that_is_not_a_file_of_the_run_alone_is_refused(made: RunFolder, kind: str) -> None:
    lock, victim = made.path / ".lock", made.path / "victim"
    victim.write_text("precious")
    if kind == "link":
        lock.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        os.link(victim, lock)
    with pytest.raises(StorageError) as caught, made.locked():
        pass
    assert caught.value.problems[0].path == str(lock) and victim.read_text() == "precious"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_broken_latest_is_reported_by_name_with_the_newest_run(
    made: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    latest = Path("outputs/latest")
    there = Path("outputs/lego/nerf/now")
    shutil.copytree(made.path, there)
    latest.symlink_to("lego/nerf/gone") if kind == "link" else latest.write_text("lego/nerf/gone\n")
    for path in (latest, latest / "checkpoints/step-000000002") if kind == "link" else (latest,):
        with pytest.raises(UsageError, match="leads to lego/nerf/gone, which does not exist") as caught:
            find_run(path)
        (problem,) = caught.value.problems
        assert problem.path == "outputs/latest" and problem.hint.endswith(str(there))
