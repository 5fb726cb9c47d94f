"""The kit itself: what an author writes, what a failure says, and what a waiver may do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from radfield_core.errors import UsageError
from radfield_core.plugins.registry import Registry
from radfield_core.testing import Example, conformance
from radfield_core.testing.kit import judge, laws_for, subject_of
from radfield_core.testing.law import LAWS

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from radfield_core.testing import toy_parts

class Blind(toy_parts.ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.detach(), cov)

@pytest.fixture(autouse=True)
def fault(monkeypatch):
    monkeypatch.setattr(toy_parts, "ToyEncoding", Blind)
"""


def law(name):
    return next(law for law in LAWS if law.name == name)


def test_every_law_states_a_promise_and_a_remedy_and_has_a_name_of_its_own():
    for each in LAWS:
        assert len(each.statement) > 40 and each.statement.endswith((".", '."')), each.name
        assert len(each.mend) > 15, each.name
        assert each.kinds
    pairs = [(each.name, kind) for each in LAWS for kind in each.kinds]
    assert len(pairs) == len(set(pairs))


def test_one_line_gives_one_test_for_each_law_named_like_it(pytester):
    pytester.makepyfile(
        "from radfield_core.testing import conformance\ntest_conforms = conformance('radfield-toys:encoding:toy')"
    )
    found = pytester.runpytest_inprocess("-q", "--collect-only", "-p", "no:cacheprovider")
    names = {line.partition("[")[2].rstrip("]") for line in found.outlines if "[" in line and "::" in line}
    assert names == {each.name for each in laws_for(subject_of("radfield-toys:encoding:toy"))}


def test_a_broken_law_says_what_is_promised_what_was_found_and_what_to_try(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        "from radfield_core.testing import conformance\ntest_conforms = conformance('radfield-toys:encoding:toy')"
    )
    found = pytester.runpytest_inprocess("-q", "-k", "grad", "-p", "no:cacheprovider")
    found.assert_outcomes(failed=2)
    found.stdout.fnmatch_lines(
        ["*breaks the law 'grad_is_true'*", "*law:*central differences find*", "*found:*autograd*", "*mend:*provides*"]
    )


def test_a_waived_law_that_is_broken_is_expected_and_one_that_is_kept_is_reported(pytester):
    waive = "{'grad_is_true': 'its frequencies are found by search', 'grad2_is_true': 'nor is there a second one', "
    waive += "'rows_come_first': 'we never have no rows'}"
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        "from radfield_core.testing import conformance\n"
        f"test_conforms = conformance('radfield-toys:encoding:toy', waive={waive})"
    )
    found = pytester.runpytest_inprocess("-q", "-rx", "-k", "grad or rows", "-p", "no:cacheprovider")
    found.assert_outcomes(xfailed=2, failed=1)
    found.stdout.fnmatch_lines(["*keeps the law 'rows_come_first', which is waived*take it out*"])
    found.stdout.fnmatch_lines(["*XFAIL*its frequencies are found by search*"])


@pytest.mark.parametrize(
    ("waive", "says"),
    [
        ({"grad_is_tru": "because of good reasons"}, "grad_is_true"),
        ({"grad_is_true": ""}, "reason in words"),
        ({"grad_is_true": "later"}, "reason in words"),
        ({"samples_are_sorted": "a law of samplers alone"}, "no law 'samples_are_sorted' fits"),
    ],
)
def test_a_waiver_must_name_a_law_that_fits_and_say_why(waive, says):
    with pytest.raises(UsageError, match=says):
        conformance("radfield-toys:encoding:toy", waive=waive)


def test_a_part_that_is_not_installed_is_said_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown encoding 'hahs'"):
        conformance("encoding:hahs")
    with pytest.raises(UsageError, match="is not KIND:NAME"):
        conformance("hash")


def test_only_laws_of_what_a_part_declares_are_asked_of_it():
    names = {each.name for each in laws_for(subject_of("encoding:sh"))}
    assert "grad_is_true" in names and "gaussians_agree_with_monte_carlo" not in names
    assert "sdf_has_its_sign_and_slope" not in {each.name for each in laws_for(subject_of("radfield-toys:field:toy"))}


def test_a_part_is_held_to_its_own_declaration_and_not_to_anothers_plugin_of_the_same_name(distribution, monkeypatch):
    monkeypatch.syspath_prepend(str(distribution("acme-x", "raise RuntimeError('acme')", plugin="sh")))
    registry = Registry.discover({})
    assert ("acme-x", "sh") in {(plugin.distribution, plugin.name) for plugin in registry.plugins}
    verdict = judge(subject_of("encoding:sh", registry=registry), law("declaration_is_free_of_torch"))
    assert verdict.state == "kept", verdict.message


def test_a_parser_without_an_example_is_told_how_to_give_one():
    with pytest.raises(UsageError, match="example=make"):
        judge(subject_of("dataparser:tiny-nerf"), law("scenes_are_sound"))


def test_an_example_that_says_the_wrong_pixel_breaks_the_law(tmp_path):
    def wrong(folder):
        import numpy as np

        poses = np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))
        images = np.zeros((3, 8, 8, 3), np.float32)
        np.savez(folder / "a.npz", images=images, poses=poses, focal=np.float32(9))
        return Example(folder / "a.npz", (0, 1, 1), (9, 9, 9))

    subject = subject_of("dataparser:tiny-nerf", options={"n_train": 2}, example=wrong)
    verdict = judge(subject, law("the_known_pixel_is_there"))
    assert verdict.state == "broken" and "(0, 0, 0), the example says (9, 9, 9)" in verdict.message


def test_the_kit_needs_no_package_beyond_cores_own_until_it_is_used():
    program = "import sys, radfield_core.testing.kit; print(*{'hypothesis', 'pytest', 'trimesh'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
