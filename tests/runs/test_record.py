"""Records of a run: its parts, their versions, and the differences between two records."""

from __future__ import annotations

import attrs

from radfield_core.config.slots import Choice, option, slot
from radfield_core.plugin import component
from radfield_core.runs.record import changes, parts_of, plugin_versions


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
    versions = plugin_versions(a_run())  # type: ignore[arg-type]
    assert versions["no-such-distribution"] == "unknown" and versions["torch"] and versions["radfield-core"]


def test_changes_show_options_and_versions_that_differ_and_nothing_else() -> None:
    assert changes("a = 1\nb = 2\n", "a = 1\nb = 2\n", {"p": "1"}, {"p": "1"}) == []
    found = changes("a = 1\nb = 2\n", "a = 1\nb = 3\n", {"p": "1", "q": "1"}, {"p": "2"})
    assert found == ["-b = 2", "+b = 3", "p: 1 -> 2", "q: 1 -> absent"]
