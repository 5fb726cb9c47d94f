"""Run folders: what is in them, how they are found, and what may not be mixed up."""

from __future__ import annotations

import errno
import io
import json
import os
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
from radfield_core.runs.record import changes, parts_of, plugin_versions
from radfield_core.runs.reports import choose_views
from radfield_core.runtime import progress
from radfield_core.runtime.progress import Progress, duration, tracked


@attrs.frozen(kw_only=True)
class Inner:
    """No options."""


@attrs.frozen(kw_only=True)
class Data:
    """Where the data is."""

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


def test_a_folder_in_which_nothing_was_recorded_is_removed_and_no_other(made: RunFolder, tmp_path: Path) -> None:
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


def test_a_run_to_go_on_with_is_named_as_a_shell_takes_it(made: RunFolder) -> None:
    odd = made.path.rename(made.path.parent / "demo run é")
    with pytest.raises(UsageError) as caught:
        new_run(a_run(), odd)  # type: ignore[arg-type]
    assert f"--resume '{odd}'," in caught.value.problems[0].hint
    with pytest.raises(UsageError) as caught:
        find_run(odd.parent / "demo run e")
    assert caught.value.problems[0].hint == f"'{odd}'"


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
    assert caught.value.problems[0].hint == str(made.path)


def test_a_run_without_a_good_checkpoint_says_what_was_wrong_with_each(made: RunFolder) -> None:
    for path in checkpoint.list_steps(made.checkpoints):
        (path / "state.json").write_bytes(b"")
    with pytest.raises(StorageError, match="no checkpoint") as caught:
        load_state(made, None)
    assert "step-000000001" in str(caught.value) and "step-000000002" in str(caught.value)


def test_parts_are_found_at_any_depth_with_their_distributions() -> None:
    assert [part.name for part in parts_of(a_run())] == ["toy", "files", "net", "waves"]
    versions = plugin_versions(a_run())  # type: ignore[arg-type]
    assert versions["no-such-distribution"] == "unknown" and versions["torch"] and versions["radfield-core"]


def test_changes_show_options_and_versions_that_differ_and_nothing_else() -> None:
    assert changes("a = 1\nb = 2\n", "a = 1\nb = 2\n", {"p": "1"}, {"p": "1"}) == []
    found = changes("a = 1\nb = 2\n", "a = 1\nb = 3\n", {"p": "1", "q": "1"}, {"p": "2"})
    assert found == ["-b = 2", "+b = 3", "p: 1 -> 2", "q: 1 -> absent"]


@pytest.mark.parametrize(
    "text",
    ["{", "[1, 2]", '{"a": 1}', '{"a":' * 100_000, "0" * 100, "{}" + " " * (16 * 2**20)],
    ids=lambda text: text[:8],
)
def test_stored_plugins_and_views_that_cannot_be_used_are_a_storage_error(made: RunFolder, text: str) -> None:
    assert made.stored_plugins() == {"radfield-core": "1"}
    made.plugins.write_text(text)
    with pytest.raises(StorageError, match=r"plugins\.json"):
        made.stored_plugins()
    made.scene.write_text('{"left_out": [1]}' if text == '{"a": 1}' else text)
    with pytest.raises(StorageError, match=r"scene\.json"):
        made.left_out()


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    RunFolder(tmp_path).check_writable()
    assert [path.name for path in tmp_path.rglob("*")] == ["checkpoints"]


def test_a_folder_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written to"):
        RunFolder(tmp_path / "file" / "run").check_writable()


def test_views_are_chosen_by_all_a_number_or_a_list() -> None:
    assert choose_views("all", 3) == [0, 1, 2]
    assert choose_views("2", 10) == [2, 7]
    assert choose_views("0,9", 10) == [0, 9]
    with pytest.raises(UsageError, match="no views '10, x'; there are 0 to 9"):
        choose_views("1,10,x", 10)


class Watch:
    """A clock that tests move."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_without_a_terminal_there_is_one_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=stream) as shown:
        for second in range(1, 31):
            watch.now = float(second)
            if shown.due():
                shown.update(second, f"step {second}")
    assert stream.getvalue() == "".join(
        f"train step {n} · {left} left\n" for n, left in ((10, "1m 30s"), (20, "1m 20s"), (30, "1m 10s"))
    )


def test_the_pace_of_a_resumed_job_is_that_of_what_is_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=stream) as shown:
        shown.begin(50)
        watch.now = 10.0
        shown.update(60, "x")
    assert stream.getvalue() == "train x · 40s left\n"


def test_quiet_shows_no_progress_but_says_what_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, quiet=True, stream=stream) as shown:
        watch.now = 1000.0
        assert not shown.due()
        shown.update(50, "x")
        shown.say("warning: disk full")
    assert stream.getvalue() == "warning: disk full\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_left_with_a_bar_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    watch, stream, line = Watch(), Terminal(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    for place in (stream, line):
        with Progress("read images", 7, stream=place) as shown:
            for done in range(1, 8):
                shown.report(done, 7)
    assert "7/7" in stream.getvalue() and "6/7" not in stream.getvalue() and line.getvalue() == ""


def test_when_nobody_reads_the_job_goes_on_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    watch = Watch()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=Closed()) as shown:
        for second in (10, 20, 30):
            watch.now = float(second)
            shown.update(second, "x")
            shown.say("a line")
    assert capsys.readouterr().err == "warning: output: Broken pipe; going on in silence\n"


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2")
        assert stream.getvalue().startswith("train step 2")


@pytest.mark.parametrize(("columns", "bar"), [("60", False), ("120", True)])
def test_a_narrow_terminal_has_the_text_without_a_bar(columns: str, bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2 · loss 0.5 · PSNR 20.00")
    assert "PSNR 20.00" in stream.getvalue() and ("━" in stream.getvalue()) == bar


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2 · loss 0.5")
        shown.say("a line")
    assert "train" in stream.getvalue() and "step 2 · loss 0.5" in stream.getvalue() and "a line" in stream.getvalue()


def test_tracked_hands_on_every_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert [item for item, _ in tracked("abc", "spell")] == ["a", "b", "c"]


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9s"), (65, "1m 05s"), (7384, "2h 03m"), (-1, "0s")])
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_figures_that_json_cannot_hold_are_null(tmp_path: Path) -> None:
    from radfield_core.files.durable import dump_json

    assert json.loads(dump_json({"psnr": float("inf"), "all": [float("nan"), 0.1 + 0.2]})) == {
        "psnr": None, "all": [None, 0.1 + 0.2],
    }  # fmt: skip
    assert os.listdir(tmp_path) == []
