"""The laws of composition: which layer wins, what a change of part leaves out, and that order never matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.config.files import dump
from radfield_core.config.layers import compose, compose_data, compose_part, read_overrides, read_value
from radfield_core.config.mistakes import Mistakes
from radfield_core.errors import DatasetError, PluginError, RadfieldError, StorageError, UsageError


@pytest.fixture
def study(fakes):
    """Composes without data unless given."""
    return lambda *overrides, **given: compose(
        fakes, overrides=overrides, needs_data=False, **{"method": "study", **given}
    )


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_each_layer_is_stronger_than_the_one_before(study, tmp_path):
    file = write(tmp_path, "[trainer]\nmax_steps = 5\nseed = 3\n[method]\nlr = 0.5\n")
    assert study().run.trainer.max_steps == 700
    assert study(file=file).run.trainer.max_steps == 5
    assert study("trainer.max_steps=6", file=file).run.trainer.max_steps == 6
    run = study("trainer.max_steps=6", file=file).run
    assert (run.trainer.seed, run.method.config.lr, run.field.config.encoding.config.n) == (3, 0.5, 5)


def test_every_value_remembers_its_origin(study, tmp_path):
    file = write(tmp_path, "[trainer]\nseed = 3\n")
    origins = study("trainer.n_rays=9", file=file).origins
    assert origins["method.type"] == "--method"
    assert origins["trainer.max_steps"] == "preset study"
    assert origins["trainer.seed"] == str(file)
    assert origins["trainer.n_rays"] == "command line"
    assert origins["trainer.save_every"] == "default"
    assert origins["field.encoding.type"] == "preset study"
    assert origins["field.encoding.n"] == "preset study"
    assert origins["field.direction_encoding.type"] == "default"
    assert origins["sampler.type"] == "default"


def test_a_method_may_be_named_by_its_preset(study, tmp_path):
    run = study(method="study-small").run
    assert (run.method.name, run.method.component.name) == ("study-small", "study")
    assert (run.trainer.max_steps, run.field.config.width, run.method.config.lr) == (70, 8, 1e-3)
    file = write(tmp_path, 'method = "study-small"\n')
    assert study(method=None, file=file).run == run


def test_a_flag_changes_the_method_of_a_file_and_takes_its_own_preset(study, tmp_path):
    file = write(tmp_path, '[method]\ntype = "bare"\nlr = 0.25\n')
    composed = study(file=file)
    assert composed.run.method.name == "study"
    assert composed.run.method.config.lr == 0.01
    assert f"method.lr ({file}) is left out: it belonged to bare, not study" in composed.remarks


def test_key_value_is_stronger_than_the_flag(study):
    assert study("method=study-small", method="bare").run.trainer.max_steps == 70


def test_the_options_of_a_method_stay_between_its_presets(study, tmp_path):
    file = write(tmp_path, '[method]\ntype = "study"\nlr = 0.25\n')
    assert study(method="study-small", file=file).run.method.config.lr == 0.25


def test_a_default_table_is_the_weakest_layer_of_its_slot(study):
    assert study(method="study-small").run.field.config.encoding.config.n == 6
    assert study("field.encoding.n=7", method="study-small").run.field.config.encoding.config.n == 7


def test_changing_a_part_leaves_out_what_belonged_to_the_part_before(study):
    composed = study("field.encoding=cells")
    encoding = composed.run.field.config.encoding
    assert (encoding.name, encoding.config.levels) == ("cells", 8)
    assert composed.remarks == ()


def test_what_a_user_wrote_for_the_part_before_is_left_out_and_said(study, tmp_path):
    file = write(tmp_path, "[field.encoding]\nn = 9\n")
    composed = study("field.encoding=cells", file=file)
    assert composed.remarks == (f"field.encoding.n ({file}) is left out: it belonged to wave, not cells",)


def test_options_for_the_new_part_stay_wherever_they_are_written(study, tmp_path):
    file = write(tmp_path, '[field.encoding]\ntype = "cells"\nlevels = 3\n')
    assert study(file=file).run.field.config.encoding.config.levels == 3
    assert study("field.encoding=cells", file=file).run.field.config.encoding.config.levels == 3
    assert study("field.encoding.levels=4", file=file).run.field.config.encoding.config.levels == 4
    assert study("field.encoding.levels=4", "field.encoding=cells").run.field.config.encoding.config.levels == 4


def test_options_for_the_old_part_written_beside_the_new_one_are_mistakes(study):
    with pytest.raises(UsageError, match=r"field\.encoding\.n: unknown option 'n'; there are levels, smooth, inner"):
        study("field.encoding=cells", "field.encoding.n=4")


def test_a_part_brought_back_has_the_options_written_for_it(study, tmp_path):
    file = write(tmp_path, '[field]\nencoding = "cells"\n')
    assert study("field.encoding=wave", file=file).run.field.config.encoding.config.n == 5


def test_options_written_before_any_part_was_named_belong_to_the_one_named_later(study, tmp_path):
    file = write(tmp_path, "[field]\nwidth = 3\n")
    run = study("field=blob", method="bare", file=file).run
    assert run.field.config.width == 3


def test_slots_nest(study):
    run = study("field.encoding=cells", "field.encoding.inner=wave", "field.encoding.inner.n=2").run
    assert run.field.config.encoding.config.inner.config.n == 2


def test_none_empties_an_optional_slot_and_no_other(study):
    assert study("field.direction_encoding=none").run.field.config.direction_encoding is None
    with pytest.raises(RadfieldError, match="unknown encoding 'none'"):
        study("field.encoding=none")


def test_an_optional_table_exists_only_when_written(study, tmp_path):
    assert study().run.background is None
    file = write(tmp_path, '[background]\nfield = "blob"\nsampler = "importance"\n')
    assert study(file=file).run.background.field.name == "blob"
    assert study("background=none", file=file).run.background is None


def test_a_missing_method_field_and_data_are_named_with_what_is_installed(fakes):
    with pytest.raises(UsageError) as caught:
        compose(fakes)
    problems = {problem.path: problem for problem in caught.value.problems}
    assert problems.keys() == {"method", "data"}  # the method will bring a field
    assert "installed: bare, far-fetched, study" in problems["method"].message
    assert problems["data"].hint == "--data PATH"
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="bare")
    problems = {problem.path: problem for problem in caught.value.problems}
    assert problems.keys() == {"data", "field"} and problems["field"].hint == "field=NAME"


def test_all_mistakes_are_reported_at_once(study, tmp_path):
    file = write(tmp_path, "[trainer]\nmax_stps = 5\nseed = -1\n[zzz]\n[field]\nwidth = 'wide'\n")
    with pytest.raises(UsageError) as caught:
        study("sampler=crokked", "field.encoding.mode=sotf", file=file)
    found = {problem.path: problem.hint for problem in caught.value.problems}
    assert found == {
        "trainer.max_stps": "trainer.max_steps",
        "trainer.seed": "radfield config options",
        "zzz": "radfield config options",
        "field.width": "radfield config options field:blob",
        "sampler": "sampler=crooked",
        "field.encoding.mode": "soft",
    }


def paths_of(caught) -> list[str]:
    return sorted(problem.path for problem in caught.value.problems)


def test_a_word_that_is_no_option_hides_no_other_mistake(study, fakes):
    words = ["trainer.max_stps=5", "field.encodin=wave", "trainer.seed=-1", "trainer.max_seconds=nan", "foo", "bar=1"]
    with pytest.raises(UsageError) as caught:
        study(*words)
    expected = ["", "bar", "field.encodin", "trainer.max_seconds", "trainer.max_stps", "trainer.seed"]
    assert paths_of(caught) == expected
    with pytest.raises(UsageError) as caught:
        compose_part(fakes, "encoding", "wave", ["foo", "nn=3"])
    assert paths_of(caught) == ["", "nn"]


def test_absent_data_an_unknown_method_and_wrong_options_are_said_together(fakes, tmp_path):
    words = ["trainer.max_stps=4", "field.width=3", "sampler.nonsense=1", "data.nonsense=1", "zzz=1", "renderer=volum"]
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="sutdy", data=tmp_path / "absent", overrides=words)
    # what the unknown method's preset would fill, and the unknown format, have options that nobody knows
    expected = sorted([str(tmp_path / "absent"), "method", "renderer", "trainer.max_stps", "zzz"])
    assert paths_of(caught) == expected
    (method,) = (problem for problem in caught.value.problems if problem.path == "method")
    assert method.hint == "--method study"


def test_a_file_that_cannot_be_read_hides_no_other_mistake_and_makes_up_none(fakes, tmp_path):
    absent = tmp_path / "absent.toml"
    with pytest.raises(UsageError) as caught:
        compose(fakes, file=absent, overrides=["trainer.max_stps=4", "sampler.nonsense=1", "data.root=x"])
    assert paths_of(caught) == sorted([str(absent), "trainer.max_stps"])


def test_mistakes_of_one_kind_keep_its_exit_code(fakes, tmp_path):
    with pytest.raises(DatasetError):
        compose(fakes, method="study", data=tmp_path / "absent")
    with pytest.raises(StorageError):
        compose(fakes, method="study", file=tmp_path / "absent.toml", needs_data=False)


def test_data_of_another_format_than_a_chosen_one_without_files_says_both(fakes, tmp_path):
    (tmp_path / "boxes.txt").touch()
    file = write(tmp_path, '[data]\ntype = "dreams"\n')
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="study", file=file, data=tmp_path)
    (problem,) = caught.value.problems
    assert "is in format boxes (has boxes.txt), but dreams is chosen" in problem.message
    assert str(file) in problem.message and problem.hint == f"data=boxes --data {tmp_path}"


def test_a_preset_that_names_an_absent_distribution_says_how_to_install(study):
    with pytest.raises(PluginError) as caught:
        study(method="far-fetched")
    assert "unknown encoding 'spherical'" in str(caught.value)
    assert "(preset far-fetched)" in str(caught.value)
    assert study("field.encoding=wave", method="far-fetched").run.field.config.encoding.name == "wave"


OVERRIDES = [
    "field=blob", "field.width=7", "field.encoding=cells", "field.encoding.levels=2", "field.encoding.inner=wave",
    "field.encoding.inner.n=3", "field.encoding.inner.mode=hard", "field.direction_encoding=none", "trainer.seed=4",
    "sampler=crooked", "sampler.bend=2.5", 'field={type = "blob", width = 7}', "method.lr=0.5", "field.type=blob",
    "field=slab", "field.encoding.n=4", "nonsense=1", "trainer.seed=5",
]  # fmt: skip


@given(words=st.lists(st.sampled_from(OVERRIDES), unique=True), data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_order_of_overrides_never_matters(fakes, words, data):
    def outcome(words):
        try:
            return dump(compose(fakes, method="study", overrides=words, needs_data=False).run)
        except RadfieldError as error:
            return sorted({problem.path for problem in error.problems}) if "contradicts" not in str(error) else "no"

    assert outcome(words) == outcome(data.draw(st.permutations(words)))


def mistakes_of(words):
    mistakes = Mistakes()
    read_overrides(words, mistakes)
    return mistakes.problems


def test_overrides_that_contradict_each_other_are_mistakes():
    for words in (["a.b=1", "a.b=2"], ["a=x", "a.type=y"], ["a.b=1", "a.b=true"], ["a=3", "a.b=1"], ["a.b=1", "a=3"]):
        assert "contradicts" in mistakes_of(words)[0].message
    assert read_overrides(["a=x", "a.type=x", "a=x"], Mistakes()) in ({"a": {"type": "x"}}, {"a": "x"})


@pytest.mark.parametrize("word", ["novalue", "=3", "a..b=3", ".a=3", "a.=1", ".".join("a" * 65) + "=1"])
def test_a_word_that_is_not_key_value_is_named(word):
    assert "is not key=value" in mistakes_of([word])[0].message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.5", 3.5), ("1e3", 1000.0), ("true", True), ('"3"', "3"), ("[1, 2]", [1, 2]),
        ("scan65/", "scan65/"),
        ('{type = "hash"}', {"type": "hash"}), ("none", "none"), ("", ""), ("2020-01-01", "2020-01-01"),
        ("1\nother = 2", "1\nother = 2"), ("a = 3", "a = 3"), ("1 # x", 1), ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_a_value_is_toml_if_it_can_be_and_text_if_not(text, value):
    assert read_value(text) == value and type(read_value(text)) is type(value)


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
    assert caught.value.problems[0].hint == "data.type=boxes or data.type=crates"
    run = compose(fakes, method="study", data=tmp_path, overrides=["data.type=crates"]).run
    assert (run.data.name, run.data.config.root) == ("crates", str(tmp_path))


def test_data_in_no_known_format_lists_what_is_known_and_who_failed(fakes, tmp_path):
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data=tmp_path)
    assert "boxes: boxes.txt; crates: crates.txt" in str(caught.value)
    assert "dataparser:nervous of fake-parts failed while looking: cannot bear to look" in str(caught.value)


def test_the_folder_of_all_scenes_says_a_scene_in_it(fakes, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "lego").mkdir()
    (tmp_path / "lego" / "boxes.txt").touch()
    with pytest.raises(DatasetError, match="in no known format") as caught:
        compose(fakes, method="study", data=tmp_path)
    assert caught.value.problems[0].hint == f"--data {tmp_path / 'lego'}"


def test_data_that_is_not_there_says_what_is_near(fakes, tmp_path):
    (tmp_path / "lego").mkdir()
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data=tmp_path / "leog")
    assert caught.value.problems[0].hint == str(tmp_path / "lego")
    with pytest.raises(DatasetError) as caught:
        compose(fakes, method="study", data="boxes")
    assert caught.value.problems[0].hint == "data=boxes"
    for name in ("draems", "dreems"):
        with pytest.raises(DatasetError) as caught:
            compose_data(fakes, name)
        assert caught.value.problems[0].hint == "dreams"


def test_the_root_of_data_must_be_given(fakes):
    with pytest.raises(UsageError, match=r"data\.root: must be given"):
        compose(fakes, method="study", overrides=["data=boxes"])
