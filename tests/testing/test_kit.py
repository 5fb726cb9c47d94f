"""The kit itself: what an author writes, what a failure says, and what a waiver may do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from radfield_core.errors import UsageError
from radfield_core.plugins.registry import Registry
from radfield_core.testing import Example, conformance
from radfield_core.testing.kit import check_law, laws_for, part_under_test
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
        assert len(each.statement) > 40 and each.statement.endswith("."), each.name
        assert len(each.fix) > 15, each.name
        assert each.kinds
    pairs = [(each.name, kind) for each in LAWS for kind in each.kinds]
    assert len(pairs) == len(set(pairs))


def test_one_line_gives_one_test_for_each_law_named_like_it(pytester):
    pytester.makepyfile(
        "from radfield_core.testing import conformance\ntest_conforms = conformance('radfield-toys:encoding:toy')"
    )
    found = pytester.runpytest_inprocess("-q", "--collect-only", "-p", "no:cacheprovider")
    names = {line.partition("[")[2].rstrip("]") for line in found.outlines if "[" in line and "::" in line}
    assert names == {each.name for each in laws_for(part_under_test("radfield-toys:encoding:toy"))}


def test_a_broken_law_says_what_is_promised_what_was_found_and_what_to_try(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        "from radfield_core.testing import conformance\ntest_conforms = conformance('radfield-toys:encoding:toy')"
    )
    found = pytester.runpytest_inprocess("-q", "-k", "grad", "-p", "no:cacheprovider")
    found.assert_outcomes(failed=2)
    found.stdout.fnmatch_lines(
        [
            "*breaks the law 'grad_matches_finite_differences'*",
            "*law:*central differences*",
            "*found:*autograd*",
            "*fix:*differentiable*",
        ]
    )


def test_a_waived_law_that_is_broken_is_expected_and_one_that_is_kept_fails(pytester):
    waive = {
        "grad_matches_finite_differences": "its frequencies are found by search",
        "grad2_matches_finite_differences": "there is no second derivative either",
        "one_row_of_features_per_input": "we always have at least one row",
    }
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        "from radfield_core.testing import conformance\n"
        f"test_conforms = conformance('radfield-toys:encoding:toy', waive={waive!r})"
    )
    found = pytester.runpytest_inprocess("-q", "-rx", "-k", "grad or one_row", "-p", "no:cacheprovider")
    found.assert_outcomes(xfailed=2, failed=1)
    found.stdout.fnmatch_lines(["*keeps the law 'one_row_of_features_per_input'*waive=*"])
    found.stdout.fnmatch_lines(["*XFAIL*its frequencies are found by search*"])


@pytest.mark.parametrize(
    ("waive", "says"),
    [
        ({"grad_is_tru": "because of good reasons"}, "grad_matches_finite_differences"),
        ({"grad_matches_finite_differences": ""}, "reason"),
        ({"grad_matches_finite_differences": "later"}, "reason"),
        ({"samples_are_sorted": "a law of samplers alone"}, "no law 'samples_are_sorted'"),
    ],
)
def test_a_waiver_must_name_a_law_that_fits_and_say_why(waive, says):
    with pytest.raises(UsageError, match=says):
        conformance("radfield-toys:encoding:toy", waive=waive)


def test_a_part_that_is_not_installed_is_said_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown encoding 'hahs'"):
        conformance("encoding:hahs")
    with pytest.raises(UsageError, match="KIND:NAME"):
        conformance("hash")


def test_only_laws_of_what_a_part_declares_are_asked_of_it():
    names = {each.name for each in laws_for(part_under_test("encoding:sh"))}
    assert "grad_matches_finite_differences" in names and "gaussians_agree_with_monte_carlo" not in names
    assert "sdf_has_the_right_sign_and_slope" not in {
        each.name for each in laws_for(part_under_test("radfield-toys:field:toy"))
    }


def test_a_part_is_checked_by_its_own_declaration_among_plugins_of_one_name(distribution, monkeypatch):
    monkeypatch.syspath_prepend(str(distribution("acme-x", "raise RuntimeError('acme')", plugin="sh")))
    registry = Registry.discover({})
    assert ("acme-x", "sh") in {(plugin.distribution, plugin.name) for plugin in registry.plugins}
    result = check_law(part_under_test("encoding:sh", registry=registry), law("declaration_imports_no_torch"))
    assert result.state == "kept", result.message


def test_a_parser_without_an_example_is_told_how_to_give_one():
    with pytest.raises(UsageError, match="example=make"):
        check_law(part_under_test("dataparser:tiny-nerf"), law("scenes_are_valid"))


def test_an_example_that_says_the_wrong_pixel_breaks_the_law(tmp_path):
    def wrong(folder):
        import numpy as np

        poses = np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))
        images = np.zeros((3, 8, 8, 3), np.float32)
        np.savez(folder / "a.npz", images=images, poses=poses, focal=np.float32(9))
        return Example(folder / "a.npz", (0, 1, 1), (9, 9, 9))

    tested = part_under_test("dataparser:tiny-nerf", options={"n_train": 2}, example=wrong)
    result = check_law(tested, law("example_pixel_has_its_color"))
    assert result.state == "broken" and "(0, 0, 0)" in result.message and "(9, 9, 9)" in result.message


def test_the_kit_needs_no_package_beyond_cores_own_until_it_is_used():
    program = "import sys, radfield_core.testing.kit; print(*{'hypothesis', 'pytest', 'trimesh'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
