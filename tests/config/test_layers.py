"""The laws of composition: which layer wins, what a change of part leaves out, and that order never matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.config.files import dump
from radfield_core.config.layers import compose, compose_part
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
    assert f"method.lr ({file}) is left out: it is an option of bare, not of study" in composed.remarks


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
    assert composed.remarks == (f"field.encoding.n ({file}) is left out: it is an option of wave, not of cells",)


def test_options_for_the_new_part_stay_wherever_they_are_written(study, tmp_path):
    file = write(tmp_path, '[field.encoding]\ntype = "cells"\nlevels = 3\n')
    assert study(file=file).run.field.config.encoding.config.levels == 3
    assert study("field.encoding=cells", file=file).run.field.config.encoding.config.levels == 3
    assert study("field.encoding.levels=4", file=file).run.field.config.encoding.config.levels == 4
    assert study("field.encoding.levels=4", "field.encoding=cells").run.field.config.encoding.config.levels == 4


def test_options_for_the_old_part_written_beside_the_new_one_are_mistakes(study):
    with pytest.raises(
        UsageError, match=r"field\.encoding\.n: unknown option 'n'; the options are levels, smooth, inner"
    ):
        study("field.encoding=cells", "field.encoding.n=4")


def test_an_option_in_the_wrong_table_is_answered_with_the_table_it_is_in(study, tmp_path):
    with pytest.raises(UsageError) as caught:
        study("lr=0.5", "max_steps=7", "field.n=3", "trainer.max_step=9", "trainer.near=2", "trainer.xyzzy=1")
    assert {problem.path: problem.hint for problem in caught.value.problems} == {
        "lr": "method.lr=0.5",
        "max_steps": "trainer.max_steps=7",
        "field.n": "Write field.encoding.n=3 or field.direction_encoding.n=3",
        "trainer.max_step": "trainer.max_steps=9",
        "trainer.near": "scene.near=2",
        "trainer.xyzzy": "radfield config options",
    }
    with pytest.raises(UsageError) as caught:
        study(file=write(tmp_path, "max_steps = 7\n"))
    assert caught.value.problems[0].hint == "Use trainer.max_steps"


def test_a_part_brought_back_has_the_options_written_for_it(study, tmp_path):
    file = write(tmp_path, '[field]\nencoding = "cells"\n')
    assert study("field.encoding=wave", file=file).run.field.config.encoding.config.n == 5


def test_options_before_any_name_belong_to_the_part_named_later(study, tmp_path):
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
    assert "installed: bare, etcher, far-fetched, painter, study" in problems["method"].message
    assert problems["data"].hint == "Add --data PATH"
    with pytest.raises(UsageError) as caught:
        compose(fakes, method="bare")
    problems = {problem.path: problem for problem in caught.value.problems}
    assert problems.keys() == {"data", "field"} and problems["field"].hint == "Add field=NAME"


def test_all_mistakes_are_reported_at_once(study, tmp_path):
    file = write(tmp_path, "[trainer]\nmax_stps = 5\nseed = -1\n[zzz]\n[field]\nwidth = 'wide'\n")
    with pytest.raises(UsageError) as caught:
        study("sampler=crokked", "field.encoding.mode=sotf", file=file)
    found = {problem.path: problem.hint for problem in caught.value.problems}
    assert found == {
        "trainer.max_stps": "Use trainer.max_steps",
        "trainer.seed": "radfield config options",
        "zzz": "radfield config options",
        "field.width": "radfield config options field:blob",
        "sampler": "Use sampler=crooked",
        "field.encoding.mode": "Write soft",
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
    assert method.hint == "Use --method study"


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
    assert "is in format boxes (has boxes.txt), but the chosen format dreams" in problem.message
    assert str(file) in problem.message and problem.hint == f"Use data=boxes --data {tmp_path}"


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


def test_the_root_of_data_must_be_given(fakes):
    with pytest.raises(UsageError, match=r"data\.root: must be given"):
        compose(fakes, method="study", overrides=["data=boxes"])
