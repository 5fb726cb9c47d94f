"""Combinations of parts are enumerated once each, and composed or refused by their declarations."""

from __future__ import annotations

import subprocess
import sys

from radfield_core.config.run import RunConfig
from radfield_core.plugins.registry import get_registry
from radfield_core.testing.mixing import Mix, Refused, compose_mix, method_mixes, mixes


def test_every_combination_of_installed_parts_occurs_once() -> None:
    registry = get_registry()
    count = {kind: len(registry.of_kind(kind)) for kind in ("encoding", "field", "sampler", "renderer")}
    found, by_method = list(mixes(registry, "ngp")), list(method_mixes(registry))
    assert len(found) == len(set(found)) == count["encoding"] * count["field"] * count["sampler"] * count["renderer"]
    n_methods = sum("field" in method.slots for method in registry.of_kind("method"))
    assert len(set(by_method)) == n_methods * count["field"] * count["sampler"] * count["renderer"]


def test_a_mix_is_named_by_its_parts() -> None:
    assert str(Mix("ngp", "", "nerf", "importance", "volume")) == "ngp · nerf · importance · volume"


def test_parts_that_fit_are_composed_and_others_are_refused_with_the_reason() -> None:
    registry = get_registry()
    run = compose_mix(registry, Mix("ngp", "frequency", "nerf", "importance", "volume"), ("field.width=7",))
    assert isinstance(run, RunConfig) and run.field.config.width == 7
    assert run.field.config.encoding.component.key == "encoding:frequency"
    refused = compose_mix(registry, Mix("ngp", "", "nerf", "neus", "volume"))
    assert isinstance(refused, Refused) and "sdf" in refused.reason


def test_composing_mixes_imports_no_torch() -> None:
    program = (
        "import sys; from radfield_core.plugins.registry import get_registry;"
        "from radfield_core.testing.mixing import Mix, compose_mix;"
        "compose_mix(get_registry(), Mix('ngp', '', 'nerf', 'importance', 'volume')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
