"""The laws of fitting: every misfit is named before anything is built, with who lacks what and what would do."""

from __future__ import annotations

import subprocess
import sys

import attrs
import pytest
from hypothesis import given, strategies as st

from radfield_core.config.fit import capabilities_of, check, check_part, lacking
from radfield_core.config.layers import compose, compose_part
from radfield_core.config.slots import Choice
from radfield_core.errors import BrokenPlugin, Problem, UsageError
from radfield_core.plugin import component
from radfield_core.plugins.discovery import CORE, Plugin
from radfield_core.plugins.registry import Registry


@pytest.fixture
def misfits(fakes):
    """The problems of a composed run, as path -> (message, hint)."""

    def run(*overrides: str, data: str = "boxes") -> dict[str, tuple[str, str]]:
        composed = compose(fakes, method="study", overrides=[f"data={data}", "data.root=x", *overrides])
        try:
            check(composed.run, fakes)
        except UsageError as error:
            assert len({problem.path for problem in error.problems}) == len(error.problems)
            return {problem.path: (problem.message, problem.hint) for problem in error.problems}
        return {}

    return run


WORD = st.sampled_from("abcd")


@given(needs=st.frozensets(st.lists(WORD, min_size=1).map("|".join)), provides=st.frozensets(WORD))
def test_a_need_is_met_by_any_of_its_alternatives_and_every_need_must_be(needs, provides):
    expected = []
    for need in needs:
        met = False
        for word in need.split("|"):
            for given_word in provides:
                met = met or word == given_word
        if not met:
            expected.append(need)
    assert lacking(needs, provides) == sorted(expected)


def test_parts_that_fit_pass(misfits):
    assert misfits() == {}
    assert misfits("field.encoding=cells", "field.direction_encoding=none") == {}


def test_a_part_in_a_slot_of_another_part_is_checked(misfits):
    (path, (message, hint)) = next(iter(misfits("field.direction_encoding=cells").items()))
    assert path == "field.direction_encoding" and hint == "Use field.direction_encoding=wave"
    assert message == "encoding 'cells' does not provide directions, which field 'blob' needs"


def test_a_slot_of_the_run_is_checked_for_whoever_needs_something_of_it(misfits):
    found = misfits("field=slab")
    assert found == {"field": ("field 'slab' does not provide rgb, which method 'study' needs", "Use field=blob")}


def test_all_misfits_are_reported_at_once(misfits):
    found = misfits("sampler=crooked", "field.direction_encoding=cells", data="crates")
    assert found.keys() == {"field", "data", "field.direction_encoding"}
    message, hint = found["field"]
    assert message == "field 'blob' does not provide fakes.thick and sdf, which sampler 'crooked' needs"
    assert hint == "Use field=slab"
    assert found["data"] == (
        "dataparser 'crates' does not provide images, which method 'study' needs", "Use data=boxes or data=nervous",
    )  # fmt: skip


def test_an_empty_optional_slot_needs_nothing(misfits):
    assert misfits("field.direction_encoding=none") == {}


def test_what_a_part_is_capable_of_may_depend_on_its_options(fakes, misfits):
    found = misfits("field.encoding=cells", "field.encoding.inner=cells")
    assert "does not provide grad, which encoding 'cells' needs" in found["field.encoding.inner"][0]
    assert misfits("field.encoding=cells", "field.encoding.inner=cells", "field.encoding.inner.smooth=true") == {}
    assert misfits("field.encoding=cells", "field.encoding.inner=wave") == {}


def test_a_background_is_refused_where_the_renderer_leaves_nothing_to_it(misfits):
    behind = ("background.field=blob", "background.sampler=importance")
    assert misfits(*behind) == {}
    found = misfits(*behind, "renderer.opaque_far=true")
    assert found.keys() == {"renderer"}
    assert "renderer.opaque_far=false" in found["renderer"][1]
    assert misfits("renderer.opaque_far=true") == {}


def test_a_backgrounds_parts_need_each_other_not_the_foregrounds(misfits):
    found = misfits("background.field=blob", "background.sampler=crooked")
    assert found.keys() == {"background.field"}
    assert misfits("background.field=slab", "background.sampler=crooked") == {}


def test_a_run_without_data_is_checked_in_everything_else(fakes):
    run = compose(fakes, method="study", overrides=["sampler=crooked"], needs_data=False).run
    with pytest.raises(UsageError, match="sampler 'crooked' needs"):
        check(run, fakes)


def test_what_options_add_is_added_to_what_is_declared(fakes):
    overrides = ["field.encoding=cells", "field.encoding.smooth=true"]
    run = compose(fakes, method="study", overrides=overrides, needs_data=False).run
    assert capabilities_of(run.field.config.encoding) == ({"points", "gaussians", "grad"}, {"inner": {"grad"}})


def test_the_second_level_of_core_depends_on_its_samples(fakes):
    run = compose(fakes, method="study", overrides=["sampler.n_importance=0"], needs_data=False).run
    assert capabilities_of(run.sampler)[0] == {"dense"}
    run = compose(fakes, method="study", needs_data=False).run
    assert capabilities_of(run.sampler)[0] == {"dense", "multilevel"}


def test_composing_and_checking_imports_no_torch(tmp_path):
    """The two first checks of a run cost no import of torch or numpy, nor of any part's code."""
    fakes = __file__.replace("config/test_fit.py", "fakes")
    program = """if True:
        import sys
        from radfield_core.config.fit import check
        from radfield_core.config.layers import compose
        from radfield_core.plugins.registry import get_registry
        composed = compose(get_registry(), method="study", overrides=["data=boxes", "data.root=x"])
        check(composed.run, get_registry())
        print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "numpy"}))
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": fakes}, cwd=tmp_path
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_slot_that_nobody_has_is_a_mistake_of_the_part(fakes):
    run = compose(fakes, method="study", needs_data=False).run
    encoding = run.field.config.encoding
    odd = attrs.evolve(encoding, component=encoding.component._replace(requires={"colour": frozenset({"rgb"})}))
    with pytest.raises(UsageError, match="slot 'colour'") as caught:
        check_part(odd, run, fakes)
    assert caught.value.problems[0].path == "encoding"


def test_a_part_beside_the_run_is_checked_against_the_runs_parts(fakes):
    run = compose(fakes, method="study", overrides=["field=blob"], needs_data=False).run
    crooked = compose_part(fakes, "sampler", "crooked")
    with pytest.raises(
        UsageError, match=r"field 'blob' does not provide fakes\.thick and sdf, which sampler 'crooked'"
    ):
        check_part(crooked, run, fakes)
    check_part(crooked, compose(fakes, method="study", overrides=["field=slab"], needs_data=False).run, fakes)


def test_a_need_that_no_installed_part_provides_says_so(fakes):
    run = compose(fakes, method="study", overrides=["sampler=crooked"], needs_data=False).run
    nothing = Registry([plugin for plugin in fakes.plugins if plugin.distribution == CORE], fakes.hooks)
    with pytest.raises(UsageError, match="no installed field provides it") as caught:
        check(run, nothing)
    assert "radfield plugins list" in {problem.hint for problem in caught.value.problems}


def test_a_failing_capabilities_function_blames_its_distribution(fakes):
    choice = compose_part(fakes, "encoding", "cells")
    broken = attrs.evolve(choice, component=choice.component._replace(capabilities="math:sqrt"))
    with pytest.raises(BrokenPlugin, match="math:sqrt of fake-parts failed: TypeError"):
        capabilities_of(broken)


def a_part(kind: str, **needs: set[str]):
    """A chosen part of a kind, with what it requires."""
    declared = component(kind, "it", impl="m:A", config="m:B", summary="s", requires=needs)
    return Choice("it", declared, None)


def test_what_needs_a_field_is_compared_with_the_model_of_a_method_that_brings_one(fakes):
    run = compose(fakes, method="painter", overrides=["data=boxes", "data.root=x"]).run
    check(run, fakes)
    check_part(a_part("exporter", field={"point_color|sdf"}), run, fakes)
    with pytest.raises(UsageError) as caught:
        check_part(a_part("exporter", field={"density|sdf", "point_color"}), run, fakes)
    assert caught.value.problems == (
        Problem("method", "the model of method 'painter' does not provide density or sdf, which exporter 'it' needs",
                "radfield plugins list"),
    )  # fmt: skip


def test_the_hint_names_exporters_that_fit_the_model(fakes):
    fitting = component("exporter", "dots", impl="m:A", config="m:B", summary="s", requires={"field": {"point_color"}})
    unfit = component("exporter", "skin", impl="m:A", config="m:B", summary="s", requires={"field": {"sdf"}})
    registry = Registry(
        [*fakes.plugins, Plugin("x", "acme-x", "0", "m", "ok", components=(fitting, unfit))], fakes.hooks
    )
    run = compose(fakes, method="painter", overrides=["data=boxes", "data.root=x"]).run
    with pytest.raises(UsageError) as caught:
        check_part(Choice("skin", unfit, None), run, registry)
    assert caught.value.problems[0].hint == "Use --exporter dots"


def test_losses_of_a_run_are_compared_with_its_own_model_too(fakes):
    run = compose(fakes, method="painter", overrides=["data=boxes", "data.root=x"]).run
    losses = {"deep": a_part("loss", field={"density"}), "seen": a_part("loss", field={"point_color"}),
              "along": a_part("loss", sampler={"dense"})}  # fmt: skip
    with pytest.raises(UsageError) as caught:
        check(attrs.evolve(run, losses=losses), fakes)
    found = {problem.message: problem.hint for problem in caught.value.problems}
    assert found == {
        "the model of method 'painter' does not provide density, which loss 'it' needs": "Remove losses.deep",
        "loss 'it' requires a slot 'sampler', but neither the part nor the run has one": "",
    }
