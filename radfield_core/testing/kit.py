"""The conformance kit checks a part against every law of the part's kind, in pytest or from the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from radfield_core.errors import BrokenPlugin, PluginError, UsageError
from radfield_core.names import nearest, normalize_distribution
from radfield_core.plugin import KINDS, load_of
from radfield_core.plugins.registry import Registry
from radfield_core.testing import laws as _laws  # noqa: F401  registers every law
from radfield_core.testing.exported import ReadExported
from radfield_core.testing.law import LAWS, Law, LawBroken
from radfield_core.testing.under_test import (
    ExampleMissing,
    MakeExample,
    PartUnderTest,
    with_toys,
)

MIN_REASON_WORDS = 3


class LawResult(NamedTuple):
    """Result of checking one law.

    Attributes:
        law: the law that was checked.
        state: "kept" if the part keeps the law, "broken" if it breaks the law, "waived" if it breaks a law that the
            test waives, or "stale waiver" if it keeps a law that the test waives.
        message: explanation for the author of the part; "" if the law is kept.
    """

    law: Law
    state: Literal["kept", "broken", "waived", "stale waiver"]
    message: str


def part_under_test(
    key: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    example: MakeExample | None = None,
    read: ReadExported | None = None,
    registry: Registry | None = None,
) -> PartUnderTest:
    """Find an installed part and return it ready to be built and tested.

    Args:
        key: `kind:name`, or `distribution:kind:name` if several distributions offer that name.
        options: options of the part that differ from their defaults.
        run: options of the run in which the part is trained, except those of the part itself. They are nested tables,
            as in a config file.
        example: function that writes a small data set into an empty folder. Only dataparsers and converters need it.
            By default, the function that the declaration names.
        read: function that reads a file that holds coordinates, and returns its content as an `Exported` or as a pair
            of vertices and faces. Only exporters whose format trimesh cannot read need it. By default, the function
            that the declaration names.
        registry: the parts to choose from; by default, all installed parts.

    Raises:
        UsageError: the key does not have this form, or no such part is installed.
        PluginError: the plugin that offers the part is broken or not installed.

    Example:
        >>> renderer = part_under_test("renderer:volume").build()
        >>> type(renderer).__name__
        'Volume'
    """
    words = key.split(":")
    kind, name = words[-2:] if len(words) > 1 else ("", words[0])
    if kind not in KINDS:
        hint = f"Write the part as KIND:NAME, such as encoding:hash. The kinds are {', '.join(KINDS)}"
        raise UsageError(f"{key!r} does not have the form KIND:NAME", hint=hint)
    registry = with_toys(registry)
    component = registry.find(kind, ":".join([*words[:-2], name]))
    if example is None and component.example is not None:
        example = load_of(component, component.example)
    if read is None and component.read is not None:
        read = load_of(component, component.read)
    return PartUnderTest(component, registry, dict(options or {}), dict(run or {}), example, read)


RESULTS = frozenset({"exporter", "metric"})
"""Kinds of parts that are shown a trained model."""


def laws_for(tested: PartUnderTest) -> list[Law]:
    """Return the laws that apply to a part. They depend on the part's kind and on the capabilities that it declares.

    An exporter or a metric that requires a distribution's own capability, such as "acme.splats", needs a model that the
    kit does not have. Laws about what it writes or measures are left out, so its own tests must cover this.
    """
    words = " ".join(tested.requires.get("field", ())) if tested.kind in RESULTS else ""
    apply = [law for law in LAWS if "." not in words or not RESULTS.issuperset(law.kinds)]
    return [law for law in apply if tested.kind in law.kinds and law.when(tested)]


def check_law(tested: PartUnderTest, law: Law, waive: Mapping[str, str] | None = None) -> LawResult:
    """Check one law in a temporary folder. If the part raises an exception during the check, it breaks the law.

    Args:
        tested: the part under test.
        law: the law to check.
        waive: name of a law -> the reason why the part may break it.

    Raises:
        ExampleMissing: the law needs a data set, and the test supplies none.
    """
    reason = (waive or {}).get(law.name)
    with tempfile.TemporaryDirectory(prefix="radfield-law-") as folder:
        tested.folder = Path(folder).resolve()
        try:
            observed = _observed_fault(tested, law)
        except ExampleMissing as error:
            if reason is None:
                raise
            observed = str(error)
    key = tested.component.key
    if observed is None and reason is None:
        return LawResult(law, "kept", "")
    if observed is None:
        message = f"{key} keeps the law {law.name!r}, so remove its waiver ({reason}) from waive="
        return LawResult(law, "stale waiver", message)
    if reason is not None:
        return LawResult(law, "waived", reason)
    lines = (f"  law:   {law.statement}", f"  found: {observed}", f"  fix:   {law.fix}")
    return LawResult(law, "broken", "\n".join([f"{key} breaks the law {law.name!r}", *lines]))


def _observed_fault(tested: PartUnderTest, law: Law) -> str | None:
    """Check the law. If the part breaks it, return a description of the fault, otherwise None."""
    try:
        law.check(tested)
    except LawBroken as broken:
        return str(broken)
    except ExampleMissing:
        raise
    except Exception as error:
        return f"the part raised {type(error).__name__}: {error}"
    return None


def check_waivers(laws: list[Law], waive: Mapping[str, str]) -> None:
    """Raise UsageError if a waiver names a law that is not in `laws`, or if it gives no reason."""
    known = [law.name for law in laws]
    for name, reason in waive.items():
        if name not in known:
            hint = f"Waive one of: {nearest(name, known) or ', '.join(known)}"
            raise UsageError(f"there is no law {name!r} for this part", path="waive", hint=hint)
        if len(reason.split()) < MIN_REASON_WORDS:
            hint = f"Write why the part breaks this law, in at least {MIN_REASON_WORDS} words"
            raise UsageError(f"the waiver of {name!r} gives no reason", path="waive", hint=hint)


def conformance(
    key: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    waive: Mapping[str, str] | None = None,
    example: MakeExample | None = None,
    read: ReadExported | None = None,
) -> Callable[..., None]:
    """Make a test function for pytest. It tests a part against each law that applies to the part.

    Args:
        key: `kind:name`, or `distribution:kind:name` if several distributions offer that name.
        options: options of the part that differ from their defaults. Small values keep the tests fast.
        run: options of the run in which the part is trained, except those of the part itself. They are nested tables,
            as in a config file.
        waive: name of a law -> the reason why the part may break it. The part is expected to break a waived law. If the
            part keeps the law, the test fails and asks the author to remove the waiver.
        example: function that writes a small data set into an empty folder. Only dataparsers and converters need it.
            By default, the function that the declaration names.
        read: function that reads a file that holds coordinates, and returns its content as an `Exported` or as a pair
            of vertices and faces. Only exporters whose format trimesh cannot read need it. By default, the function
            that the declaration names.

    Raises:
        UsageError: there is no such part, a waiver names a law that does not apply to the part, or a waiver gives no
            reason.
        PluginError: the plugin that offers the part is broken or not installed.

    Example:
        >>> from radfield_core.testing import conformance
        >>> test_conforms = conformance("sampler:importance", options={"n_samples": 16})
    """
    tested = part_under_test(key, options=options, run=run, example=example, read=read)
    waivers = dict(waive or {})
    check_waivers(laws_for(tested), waivers)
    return _pytest_function(tested, waivers)


def _pytest_function(tested: PartUnderTest, waivers: Mapping[str, str]) -> Callable[..., None]:
    """Return a test function for pytest that is parametrized by the laws that apply to a part."""
    import pytest  # imported here, because only tests need it

    laws = laws_for(tested)

    @pytest.mark.parametrize("law", laws, ids=[law.name for law in laws])
    def test(law: Law) -> None:
        result = check_law(tested, law, waivers)
        if result.state == "waived":
            pytest.xfail(result.message)
        if result.state != "kept":
            pytest.fail(result.message, pytrace=False)

    test.__doc__ = f"{tested.component.key} keeps every law of its kind."
    return test


def parts_of_distribution(registry: Registry, distribution: str) -> list[str]:
    """Return `distribution:kind:name` for every part of a distribution.

    Raises:
        PluginError: no installed distribution of this name offers parts.
        BrokenPlugin: the distribution's plugin does not load.
    """
    wanted = normalize_distribution(distribution)
    found = [f"{c.distribution}:{c.key}" for c in registry.components if c.distribution == wanted]
    broken = [p for p in registry.plugins if p.distribution == wanted and p.status in ("error", "incompatible")]
    if not found and broken:
        raise BrokenPlugin(broken[0].message, path=f"plugin {broken[0].name}", hint="radfield plugins doctor")
    if not found:
        near = nearest(wanted, {c.distribution for c in registry.components})
        hint = f"radfield plugins check {near}" if near else "radfield plugins list"
        raise PluginError(f"no installed distribution {distribution!r} offers parts", hint=hint)
    return found
