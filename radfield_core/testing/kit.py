"""The conformance kit: every law that fits a part, as tests of pytest or as rows of a table.

from radfield_core.testing import conformance

test_conforms = conformance("encoding:fourier")
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from radfield_core.errors import PluginError, UsageError
from radfield_core.names import nearest
from radfield_core.plugin import KINDS
from radfield_core.plugins.registry import Registry
from radfield_core.testing import laws as _laws  # noqa: F401  registers them
from radfield_core.testing.law import LAWS, Broken, Law
from radfield_core.testing.subject import Example, NeedsExample, Subject, with_toys


class Verdict(NamedTuple):
    """How a part stands to a law: "kept", "broken", "waived" (broken, with a reason) or "healed" (waived and kept)."""

    law: Law
    state: str
    message: str


def subject_of(
    key: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    example: Callable[[Path], Example] | None = None,
    read: Callable[[Path], tuple[Any, Any]] | None = None,
    registry: Registry | None = None,
) -> Subject:
    """The part `kind:name` or `distribution:kind:name`, ready to be tested. Raises as `Registry.find` does."""
    words = key.split(":")
    kind, name = words[-2:] if len(words) > 1 else ("", words[0])
    if kind not in KINDS:
        raise UsageError(f"{key!r} is not KIND:NAME", hint=f"one of {', '.join(KINDS)}, as in encoding:hash")
    registry = with_toys(registry)
    component = registry.find(kind, ":".join([*words[:-2], name]))
    return Subject(component, registry, dict(options or {}), dict(run or {}), example, read)


def laws_for(subject: Subject) -> list[Law]:
    """The laws of the part's kind that fit what it provides under its options."""
    return [law for law in LAWS if subject.kind in law.kinds and law.when(subject)]


def judge(subject: Subject, law: Law, waive: Mapping[str, str] | None = None) -> Verdict:
    """Whether the part keeps a law, in an empty folder of its own. An error that it raises breaks the law."""
    reason = (waive or {}).get(law.name)
    with tempfile.TemporaryDirectory(prefix="radfield-law-") as folder:
        subject.folder = Path(folder).resolve()
        try:
            law.check(subject)
            found = None
        except Broken as broken:
            found = str(broken)
        except NeedsExample as error:
            if reason is None:
                raise
            found = str(error)
        except Exception as error:
            found = f"it raised {type(error).__name__}: {error}"
    if found is None:
        if reason is None:
            return Verdict(law, "kept", "")
        return Verdict(law, "healed", f"{subject.component.key} keeps the law {law.name!r}, which is waived "
                       f"({reason}): take it out of waive=")  # fmt: skip
    if reason is not None:
        return Verdict(law, "waived", reason)
    title = f"{subject.component.key} breaks the law {law.name!r}"
    return Verdict(law, "broken", f"{title}\n  law:   {law.statement}\n  found: {found}\n  mend:  {law.mend}")


def check_waivers(laws: list[Law], waive: Mapping[str, str]) -> None:
    """Every waiver names a law that fits and gives a reason, or UsageError."""
    known = [law.name for law in laws]
    for name, reason in waive.items():
        if name not in known:
            near = nearest(name, known)
            raise UsageError(f"no law {name!r} fits this part", path="waive", hint=near or ", ".join(known))
        if len(reason.split()) < 3:
            raise UsageError(
                f"the waiver of {name!r} needs a reason in words", path="waive", hint="say why, in a sentence"
            )


def conformance(
    key: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    waive: Mapping[str, str] | None = None,
    example: Callable[[Path], Example] | None = None,
    read: Callable[[Path], tuple[Any, Any]] | None = None,
) -> Callable[..., None]:
    """A test function for pytest: one test for each law that fits the part `kind:name`, named like the law.

    options: of the part, to make it small. run: of the rest of a run that trains it, as in a config file. waive: law ->
    the reason why the part may break it; such a test is an expected failure, and fails if the law is kept after all.
    example: for dataparsers and converters, writes a small data set into an empty folder. read: for exporters of files
    that trimesh does not know, file -> vertices, faces. Raises UsageError or PluginError if there is no such part, as
    `Registry.find` does, UsageError for a waiver that names no law or gives no reason.
    """
    import pytest  # only tests need it

    subject = subject_of(key, options=options, run=run, example=example, read=read)
    laws, waivers = laws_for(subject), dict(waive or {})
    check_waivers(laws, waivers)

    @pytest.mark.parametrize("law", laws, ids=[law.name for law in laws])
    def test(law: Law) -> None:
        verdict = judge(subject, law, waivers)
        if verdict.state == "waived":
            pytest.xfail(verdict.message)
        if verdict.state != "kept":
            pytest.fail(verdict.message, pytrace=False)

    test.__doc__ = f"{subject.component.key} keeps every law of its kind."
    return test


def parts_of_distribution(registry: Registry, distribution: str) -> list[str]:
    """`distribution:kind:name` of everything a distribution offers. Raises PluginError if it offers nothing."""
    from radfield_core.names import normalize_distribution

    wanted = normalize_distribution(distribution)
    found = [f"{c.distribution}:{c.key}" for c in registry.components if c.distribution == wanted]
    if not found:
        near = nearest(wanted, {c.distribution for c in registry.components})
        raise PluginError(
            f"no installed distribution {distribution!r} offers parts", hint=near or "radfield plugins list"
        )
    return found
