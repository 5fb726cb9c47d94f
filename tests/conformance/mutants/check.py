"""Check a faulty part against the law that must catch it. As a script, print a row for each fault.

Usage: python tests/conformance/mutants/check.py [WORD ...]     only rows that contain one of the words

Exit code 1 if a law misses its fault.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from first_party import EXAMPLES, OPTIONS

import mutants
from radfield_core.plugins.registry import Registry, get_registry
from radfield_core.testing.kit import LawResult, check_law, part_under_test
from radfield_core.testing.law import LAWS
from radfield_core.testing.toy_parts import toy_plugin
from radfield_core.testing.under_test import PartUnderTest, with_toys


def changed(base: str, **changes: Any) -> PartUnderTest:
    """A part with a changed declaration, ready to be tested. `base`: the part's "kind:name"."""
    registry = with_toys()
    kind, _, name = base.partition(":")
    component = registry.find(kind, name)
    if name in component.preset:
        changes["preset"] = {"mutant": component.preset[name]}
    component = component._replace(name="mutant", distribution="acme", **changes)
    acme = toy_plugin()._replace(name="acme", distribution="acme", components=(component,))
    kept = [plugin for plugin in registry.plugins if plugin.distribution != "acme"]
    registry = Registry([*kept, acme], get_registry().hooks)
    key = f"acme:{kind}:mutant"
    return part_under_test(key, options=OPTIONS.get(base), example=EXAMPLES.get(base), registry=registry)


def check_mutant(place: str) -> LawResult:
    """The result of the law that must catch the mutant at "module:attribute"."""
    base, law_name, changes = mutants.CAUGHT_BY[place]
    if base != "dataparser:blender":  # its mutant is a function that writes
        changes = {**changes, "config" if place.endswith("Config") else "impl": place}
    kind = base.partition(":")[0]
    return check_law(changed(base, **changes), next(law for law in LAWS if law.name == law_name and kind in law.kinds))


def words_of(place: str) -> str:
    """A mutant's name as words: "IgnoresTheBounds" -> "ignores the bounds"."""
    name = place.partition(":")[2]
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).replace("_", " ").strip()


def main(words: list[str]) -> int:
    """Print the table and a summary; the exit code."""
    rows = [(words_of(place), base, law, place) for place, (base, law, _) in mutants.CAUGHT_BY.items()]
    rows = [row for row in rows if not words or any(word in " ".join(row) for word in words)]
    missed = 0
    for fault, base, law, place in rows:
        state = "caught" if check_mutant(place).state == "broken" else "MISSED"
        missed += state == "MISSED"
        print(f"{state}  {fault:<46}  {base:<20}  {law}", flush=True)
    print(f"\n{len(rows)} faults, {missed} missed")
    return int(missed > 0 or not rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
