"""Names of options as they are typed: short, misspelled, or from another program."""

from __future__ import annotations

import pytest

from radfield_core.config.option_names import ELSEWHERE, meant_paths

PATHS = [
    "data.seed", "data.type", "field.encoding.n_levels", "field.type", "field.width", "method.background", "method.lr",
    "sampler.n_levels", "scene.near", "trainer.max_steps", "trainer.n_rays", "trainer.seed",
]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trainer.max_steps", ["trainer.max_steps"]),
        ("trainer.max-steps", ["trainer.max_steps"]),
        ("max-steps", ["trainer.max_steps"]),
        ("max_step", ["trainer.max_steps"]),
        ("MAX-STEPS", ["trainer.max_steps"]),
        ("background", ["method.background"]),
        ("encoding.n_levels", ["field.encoding.n_levels"]),
        ("n-levels", ["field.encoding.n_levels", "sampler.n_levels"]),
        ("seed", ["trainer.seed"]),
        ("machine.seed", ["trainer.seed"]),
        ("type", ["data.type"]),
        ("max-num-iterations", ["trainer.max_steps"]),
        ("pipeline.model.near-plane", ["scene.near"]),
        ("N_rand", ["trainer.n_rays"]),
        ("xyzzy", []),
    ],
)
def test_a_name_means_the_options_that_end_with_it_or_are_called_so_elsewhere(typed: str, meant: list[str]) -> None:
    assert meant_paths(typed, PATHS) == meant


def test_a_name_that_nothing_here_answers_to_means_nothing() -> None:
    assert meant_paths("max-num-iterations", ["data.root"]) == []


def test_a_name_elsewhere_is_no_name_here() -> None:
    assert not {path.rpartition(".")[2] for path in ELSEWHERE.values()} & (ELSEWHERE.keys() - {"type"})
