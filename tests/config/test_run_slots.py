"""A method that brings its own model has only the slots that it declares: elsewhere they are refused in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from radfield_core.config.files import dump, parse_table
from radfield_core.config.layers import compose
from radfield_core.config.run_slots import part_in
from radfield_core.config.structure import Entry
from radfield_core.errors import UsageError
from radfield_core.plugin import MODEL_SLOTS
from radfield_core.runs.record import slots_of


@pytest.fixture
def problems(fakes):
    """The problems of a run, as path -> (message, hint)."""

    def found(*overrides: str, **given) -> dict[str, tuple[str, str]]:
        with pytest.raises(UsageError) as caught:
            compose(fakes, overrides=overrides, needs_data=False, **given)
        paths = [problem.path for problem in caught.value.problems]
        assert len(paths) == len(set(paths))
        return {problem.path: (problem.message, problem.hint) for problem in caught.value.problems}

    return found


def test_a_method_without_slots_needs_no_field_and_its_config_names_none(fakes, tmp_path):
    run = compose(fakes, method="painter", overrides=["data=boxes", "data.root=x"]).run
    assert (run.field, run.sampler, run.renderer, run.background) == (None, None, None, None)
    assert run.unused_slots == MODEL_SLOTS
    assert [slot for slot, _ in slots_of(run)] == ["method", "data"]
    text = dump(run)
    assert not parse_table(text).keys() & set(run.unused_slots)
    file = tmp_path / "run.toml"
    file.write_text(text)
    again = compose(fakes, file=file)
    assert again.run == run and dump(again.run) == text


def test_the_declared_slots_are_filled_and_keep_their_defaults(fakes):
    run = compose(fakes, method="etcher", overrides=["sampler.n_samples=7"], needs_data=False).run
    assert run.sampler.config.n_samples == 7 and (run.field, run.renderer) == (None, None)
    assert set(run.unused_slots) == set(MODEL_SLOTS) - {"sampler"}
    assert compose(fakes, method="study", needs_data=False).run.unused_slots == ()


def test_each_unused_slot_that_is_set_is_one_problem_that_says_who_has_no_slot(problems, tmp_path: Path):
    words = ["field=blob", "field.width=3", "field.encoding.n=2", "background.field=blob", "trainer.max_steps=x"]
    found = problems(*words, method="painter")
    assert found.keys() == {"field", "background", "trainer.max_steps"}
    why = "method 'painter' has no slot 'field', because it brings its own model (command line)"
    assert found["field"] == (why, "Remove field=…")
    file = tmp_path / "run.toml"
    file.write_text('field = "blob"\n[sampler]\nn_samples = 3\n')
    found = problems(file=file, method="etcher")
    why = f"method 'etcher' has no slot 'field', because it uses only sampler ({file})"
    assert found == {"field": (why, f"Remove the table [field] from {file}")}


def test_an_unused_slot_may_be_emptied(fakes):
    assert compose(fakes, method="painter", overrides=["background=none"], needs_data=False).run.background is None


def test_an_unknown_method_is_reported_once(problems):
    found = problems("field=blob", method="paintr")
    assert list(found) == ["method"] and "painter" in found["method"][1]


def test_the_last_layer_that_names_a_part_decides():
    layers = [Entry("a", {"method": "one", "data": {"root": "x"}}), Entry("b", {"method": {"type": "two"}})]
    assert (part_in(layers, "method"), part_in(layers[:1], "method"), part_in(layers, "data")) == ("two", "one", None)


def test_composing_a_run_with_its_own_model_imports_no_torch():
    program = "import sys; import radfield_core.config.run_slots; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
