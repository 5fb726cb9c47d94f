"""Recognition of a format: one dataparser that reads the path is chosen, and every other case is explained."""

from __future__ import annotations

import pytest

from radfield_core.config.layers import compose, compose_data
from radfield_core.config.sniff import reads_no_files, recognize
from radfield_core.errors import DatasetError, UsageError
from radfield_core.plugin import Fit


def test_data_is_recognized_by_looking_and_said(fakes, tmp_path):
    (tmp_path / "boxes.txt").touch()
    composed = compose(fakes, method="study", data=tmp_path)
    assert (composed.run.data.name, composed.run.data.config.root) == ("boxes", str(tmp_path))
    assert composed.remarks == ("data: boxes (has boxes.txt)",)
    assert composed.origins["data.type"] == composed.origins["data.root"] == "--data"


def test_data_that_two_formats_fit_is_asked_about(fakes, tmp_path):
    (tmp_path / "boxes.txt").touch()
    (tmp_path / "crates.txt").touch()
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="study", data=tmp_path)
    assert "fits more than one format: boxes (has boxes.txt); crates (has crates.txt)" in str(caught.value)
    assert caught.value.problems[0].hint == "Set data.type=boxes or data.type=crates"
    run = compose(fakes, method="study", data=tmp_path, overrides=["data.type=crates"]).run
    assert (run.data.name, run.data.config.root) == ("crates", str(tmp_path))


@pytest.fixture
def two_fit(fakes, tmp_path, monkeypatch):
    """Sets what the sniff functions of boxes and crates return, and recognizes a folder that both can read."""

    def recognized(boxes, crates):
        answers = {"boxes": boxes, "crates": crates}

        def load_sniff(parser, reference):
            return lambda path: answers.get(parser.name)

        monkeypatch.setattr("radfield_core.config.sniff.load_of", load_sniff)
        return recognize(fakes, tmp_path)

    return recognized


@pytest.mark.parametrize(
    ("boxes", "crates", "taken"),
    [
        (Fit("b", over={"crates"}), "c", "boxes"),
        (Fit("b", under={"crates"}), "c", "crates"),
        ("b", Fit("c", over={"boxes", "others"}), "crates"),
        (Fit("b", over={"crates"}), Fit("c", under={"boxes"}), "boxes"),
    ],
)
def test_the_format_that_reads_more_is_taken_and_the_other_is_named(two_fit, boxes, crates, taken):
    found = two_fit(boxes, crates)
    other = {"boxes": "crates", "crates": "boxes"}[taken]
    assert (found.name, found.others) == (taken, (other,))
    assert str(found) == f"{taken} ({taken[0]}), which reads more than {other}; add data.type={other} to change this"


@pytest.mark.parametrize(
    ("boxes", "crates"),
    [("b", "c"), (Fit("b", over={"others"}), "c"), (Fit("b", over={"crates"}), Fit("c", over={"boxes"}))],
)
def test_if_neither_format_reads_more_the_user_is_asked(two_fit, boxes, crates):
    with pytest.raises(UsageError, match=r"fits more than one format: boxes \(b\); crates \(c\)"):
        two_fit(boxes, crates)


def test_data_in_no_known_format_lists_what_is_known_and_who_failed(fakes, tmp_path):
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data=tmp_path)
    assert "boxes: boxes.txt; crates: crates.txt" in str(caught.value)
    assert "dataparser:nervous of fake-parts failed while checking the format: cannot bear to look" in str(caught.value)


def test_the_folder_of_all_scenes_says_a_scene_in_it(fakes, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "lego").mkdir()
    (tmp_path / "lego" / "boxes.txt").touch()
    with pytest.raises(DatasetError, match="in no known format") as caught:
        compose(fakes, method="study", data=tmp_path)
    assert caught.value.problems[0].hint == f"Use --data {tmp_path / 'lego'}"


def test_data_that_is_not_there_says_what_is_near(fakes, tmp_path):
    (tmp_path / "lego").mkdir()
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data=tmp_path / "leog")
    assert caught.value.problems[0].hint == f"Use --data {tmp_path / 'lego'}"
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data="boxes")
    assert caught.value.problems[0].hint == "Write data=boxes data.root=FOLDER"
    for name in ("draems", "dreems"):
        with pytest.raises(DatasetError) as caught:
            compose_data(fakes, name)
        assert caught.value.problems[0].hint == "Use --data dreams"


def test_a_path_with_nothing_near_gets_no_hint(fakes, tmp_path):
    with pytest.raises(DatasetError) as caught:
        recognize(fakes, tmp_path / "qqq")
    assert caught.value.problems[0].hint == ""


def test_a_dataparser_without_a_root_reads_no_files(fakes):
    assert [reads_no_files(fakes, name) for name in ("dreams", "boxes", "absent")] == [True, False, False]
