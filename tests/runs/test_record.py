"""Records of a run: its parts, their versions, and the differences between two records."""

from __future__ import annotations

import attrs

from radfield_core.config.layers import compose
from radfield_core.config.run import RunConfig, TrainerConfig
from radfield_core.config.slots import Choice, option, slot
from radfield_core.plugin import component
from radfield_core.plugins.registry import get_registry
from radfield_core.runs.record import changes, parts_of, plugin_versions, preset_changes, slots_of


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


def test_parts_are_found_at_any_depth_with_their_distributions() -> None:
    assert [part.name for part in parts_of(a_run())] == ["toy", "files", "net", "waves"]
    slots = [(slot, part.name) for slot, part in slots_of(a_run())]
    assert slots == [("method", "toy"), ("data", "files"), ("field", "net"), ("field.encoding", "waves")]
    versions = plugin_versions(a_run())  # type: ignore[arg-type]
    assert versions["no-such-distribution"] == "unknown" and versions["torch"] and versions["radfield-core"]


@attrs.frozen(kw_only=True)
class Waves:
    """Options of a part, one of which only continues."""

    count: int = option(3, help="how many")
    patience: int = option(5, help="when to give up", continues=True)


def with_waves(root: str = "/data", **options: int) -> Run:
    encoding = choice("encoding", "waves", Waves(**options))
    return Run(
        method=choice("method", "toy", Inner()), data=choice("dataparser", "files", Data(root=root)),
        field=choice("field", "net", Outer(encoding=encoding)),
    )  # fmt: skip


def test_changes_are_the_options_and_versions_that_differ_and_nothing_else() -> None:
    assert changes(with_waves(), with_waves(), {"p": "1"}, {"p": "1"}) == ([], [])  # type: ignore[arg-type]
    found = changes(with_waves(), with_waves(count=4), {"p": "1", "q": "1"}, {"p": "2"})  # type: ignore[arg-type]
    assert found == ([], ["field.encoding.count: 3 -> 4", "p: 1 -> 2", "q: 1 -> absent"])
    found = changes(a_run(), with_waves("/data/my scene/"), {}, {})  # type: ignore[arg-type]
    assert found.other == ["field.encoding.count: absent -> 3"], "an option that did not exist"


def test_options_that_only_continue_and_the_place_of_the_data_are_changes_of_their_own() -> None:
    found = changes(with_waves(), with_waves("/moved", patience=9), {}, {})  # type: ignore[arg-type]
    assert found == (['data.root: "/data" -> "/moved"', "field.encoding.patience: 5 -> 9"], [])


def test_length_saving_evaluation_and_logging_continue_a_run_and_what_trains_it_does_not() -> None:
    run = RunConfig(**{name: None for name in ("method", "data", "field", "sampler", "renderer")})  # type: ignore[arg-type]
    other = attrs.evolve(
        run,
        trainer=TrainerConfig(
            max_steps=9, max_seconds=1.0, save_every=2, keep_checkpoints=9, log_every=3, eval_every=4, eval_views=0,
            eval_scale=0.5, eval_share=None, n_rays=7, seed=1, clip_grad_norm=1.0, target_samples=5,
        ),
    )  # fmt: skip
    found = changes(run, other, {}, {})
    options = [[line.partition(":")[0] for line in lines] for lines in found]
    assert options[0] == [
        f"trainer.{name}" for name in ("max_steps", "max_seconds", "save_every", "keep_checkpoints", "log_every",
        "eval_every", "eval_views", "eval_scale", "eval_share")
    ]  # fmt: skip
    assert sorted(options[1]) == [f"trainer.{name}" for name in ("clip_grad_norm", "n_rays", "seed", "target_samples")]


def test_options_that_differ_from_the_preset_are_found_and_those_of_the_data_are_not() -> None:
    words = ["data.type=synthetic", "data.resolution=8"]
    assert preset_changes(composed(*words)) == []
    found = preset_changes(composed(*words, "field.width=32", "trainer.max_seconds=5", "field.encoding=hash"))
    assert {name: old for name, _, old in found}["field.encoding.type"] == '"frequency"'
    assert [new for name, new, _ in found if name == "field.width"] == ["32"]
    assert ("trainer.max_seconds", "5.0", '"none"') in found
    assert ("field.encoding.n_levels", "16", "absent") in found
    assert not any(name.startswith("data.") for name, _, _ in found)


def composed(*words: str) -> RunConfig:
    """A run of tiny-nerf with some options."""
    return compose(get_registry(), method="tiny-nerf", overrides=words).run
