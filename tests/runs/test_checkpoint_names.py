"""The names of checkpoints: folders called step-… with at least nine digits, in the order of their steps."""

from __future__ import annotations

from pathlib import Path

from radfield_core.runs.checkpoint_names import is_checkpoint, list_steps


def test_checkpoints_are_listed_by_step_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("step-000000020", "step-000000003", "step-1000000000", "step-12", "aside-1-step-000000004", "latest"):
        (tmp_path / name).mkdir()
    assert [path.name for path in list_steps(tmp_path)] == ["step-000000003", "step-000000020", "step-1000000000"]
    assert list_steps(tmp_path / "absent") == []


def test_a_checkpoint_is_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "step-000000001").mkdir()
    (tmp_path / "step-000000002").write_text("")
    names = ("step-000000001", "step-000000002", "step-000000003")
    assert [is_checkpoint(tmp_path / name) for name in names] == [True, False, False]
