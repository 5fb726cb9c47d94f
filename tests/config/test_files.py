"""The laws of config files: what is dumped composes to itself byte for byte, and a hostile file is refused."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, example, given, settings, strategies as st

from radfield_core.config.files import MAX_DEPTH, dump, dump_lines, parse_table, read_table
from radfield_core.config.layers import compose
from radfield_core.errors import RadfieldError, StorageError, UsageError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20).filter(lambda text: text != "none")
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
WAVE = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(1, 1000), "scale": st.floats(1e-300, 1e300), "tag": TEXT,
        "span": st.tuples(FLOAT, FLOAT).map(list),
        "shifts": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3), "limit": st.one_of(st.just("none"), FLOAT),
        "mode": st.sampled_from(["soft", "hard"]), "on": st.booleans(), "folder": TEXT,
    },
)  # fmt: skip
INNER = st.one_of(st.just("none"), st.just("wave"), WAVE.map(lambda wave: {"type": "wave", **wave}))
CELLS = st.fixed_dictionaries({"type": st.just("cells")}, optional={"levels": st.integers(1, 99), "inner": INNER})
TRAINER = {"max_seconds": st.one_of(st.just("none"), st.floats(1, 1e9)), "seed": st.integers(0, 2**32 - 1)}
FILES = st.fixed_dictionaries(
    {"method": st.sampled_from(["study", "study-small", "bare"])},
    optional={
        "data": st.fixed_dictionaries({"type": st.just("boxes"), "root": TEXT}, optional={"skip": st.integers(1, 9)}),
        "sampler": st.sampled_from(["importance", "crooked", "fake-parts:crooked"]),
        "background": st.one_of(st.just("none"), st.just({"field": "slab", "sampler": "crooked"})),
        "trainer": st.fixed_dictionaries({}, optional=TRAINER),
    },
)  # fmt: skip


@given(file=FILES, encoding=st.one_of(WAVE, CELLS), width=st.integers(1, 64))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_dumped_composes_to_itself_byte_for_byte(fakes, tmp_path, file, encoding, width):
    path = tmp_path / "run.toml"
    file = {**file, "field": {"type": "blob", "width": width, "encoding": encoding}}
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    first = compose(fakes, file=path, needs_data=False).run
    text = dump(first)
    path.write_text(text, encoding="utf-8")
    again = compose(fakes, file=path, needs_data=False)
    assert dump(again.run) == text
    assert again.run == first
    assert set(again.origins.values()) == {str(path)}
    assert again.remarks == ()


def test_a_dump_does_not_depend_on_the_preset(fakes, tmp_path):
    text = dump(compose(fakes, method="study", overrides=["trainer.max_seconds=none"], needs_data=False).run)
    (tmp_path / "run.toml").write_text(text)
    run = compose(fakes, file=tmp_path / "run.toml", needs_data=False).run
    assert run.trainer.max_seconds is None


def test_a_bare_name_that_became_ambiguous_is_dumped_with_its_distribution(fakes, tmp_path):
    from radfield_core.plugin import component
    from radfield_core.plugins.discovery import Plugin
    from radfield_core.plugins.registry import Registry

    twin = component("encoding", "wave", impl="m:A", config="m:B", summary="another")._replace(distribution="acme-wave")
    both = Registry([*fakes.plugins, Plugin("w", "acme-wave", "1", "m", "ok", components=(twin,))], fakes.hooks)
    run = compose(both, method="study", overrides=["trainer.seed=1"], needs_data=False).run
    assert run.field.config.encoding.name == "fake-parts:wave"
    (tmp_path / "run.toml").write_text(dump(run))
    assert compose(both, file=tmp_path / "run.toml", needs_data=False).run == run


def test_every_line_of_the_options_is_toml(fakes):
    run = compose(fakes, method="study", needs_data=False).run
    lines = dump_lines(run)
    text = "".join(f'"{path}" = {value}\n' for path, value in lines)
    flat = tomllib.loads(text)
    assert flat["method.betas"] == [0.9, 0.999] and flat["field.encoding.n"] == 5 and flat["background"] == "none"
    assert len(flat) == len(lines)


def hostile(name: str) -> bytes:
    return {
        "larger than a config": b"a = 1\n" * 200_000,
        "deep arrays": b"a = " + b"[" * 10_000 + b"]" * 10_000,
        "deep inline tables": b"a = " + b"{a = " * 5_000 + b"1" + b"}" * 5_000,
        "a long key": b".".join([b"a"] * 400_000) + b" = 1",
        "a long table name": b"[" + b".".join([b"a"] * 400_000) + b"]",
        "a long quoted key": b" . ".join([b'"a"'] * 100_000) + b" = 1",
        "not UTF-8": b"a = '\xff'",
        "not TOML": b"a == 1",
        "twice": b"a = 1\na = 2",
        "NUL": b"a = '\0'",
        "a long word": b"# " + b"a" * 900_000 + b"\na == 1",
        "spaced words": b"# " + (b"a" + b" " * 20) * 40_000 + b"\na == 1",
        "quotes": b"# " + b"\"'" * 400_000 + b"\na == 1",
        "many options": b"\n".join(b"a%d = 1" % n for n in range(80_000)),
        "a long list": b"a = [" + b"1," * 400_000 + b"]",
        "a long number": b"a = 1" + b"0" * 400,
        "a long hexadecimal number": b"a = {b = [0x" + b"f" * 900_000 + b"]}",
    }[name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("larger than a config", "larger than 1 MB"),
        *((name, f"nested more than {MAX_DEPTH} deep") for name in (
            "deep arrays", "deep inline tables", "a long key", "a long table name", "a long quoted key")),
        ("not UTF-8", "not UTF-8"),
        ("not TOML", "not a valid config"),
        ("twice", "not a valid config"),
        ("NUL", "not a valid config"),
        *((name, "not a valid config") for name in ("a long word", "spaced words", "quotes")),
        *((name, "more than 5000 values") for name in ("many options", "a long list")),
        *((name, "more than 64 bits") for name in ("a long number", "a long hexadecimal number")),
    ],
)  # fmt: skip
def test_a_hostile_file_is_one_clear_line(tmp_path, name, says):
    path = tmp_path / "bad.toml"
    path.write_bytes(hostile(name))
    with pytest.raises(UsageError) as caught:
        read_table(path)
    assert says in str(caught.value) and str(path) in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_limit_of_depth_is_what_it_says(depth):
    text = "[" + ".".join(["a"] * (depth - 1)) + "]\nb = 1"
    if depth <= MAX_DEPTH:
        assert parse_table(text)
    else:
        text = "a = " + "[" * depth + "]" * depth
        with pytest.raises(ValueError, match="nested"):
            parse_table(text)


@given(text=st.text(st.sampled_from("ab.=[]{}\"'\n\\ 1#"), max_size=200))
@example("[[a]]\n[[a.b]]")
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_table_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_table(text), dict)


KEYS = st.sampled_from(
    [
        "method",
        "field",
        "data",
        "type",
        "encoding",
        "sampler",
        "trainer",
        "seed",
        "background",
        "inner",
        "root",
        "scene",
        "x",
    ]
)
NAMES = st.sampled_from(["study", "blob", "wave", "cells", "boxes", "none", "bare", "acme:wave", ""])
TREES = st.recursive(
    st.one_of(NAMES, st.integers(), st.booleans(), st.floats(), st.dates()),
    lambda tree: st.one_of(st.dictionaries(KEYS, tree, max_size=4), st.lists(tree, max_size=2)),
    max_leaves=12,
)


@given(file=st.dictionaries(KEYS, TREES, max_size=5))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_says_it_composes_or_is_refused_in_words(fakes, tmp_path, file):
    path = tmp_path / "any.toml"
    path.write_text(tomli_w.dumps(file), encoding="utf-8")
    try:
        run = compose(fakes, file=path, method="study", needs_data=False).run
    except RadfieldError as error:
        assert all(problem.message for problem in error.problems)
    else:
        assert run.method.name == "study"


def test_a_file_that_is_not_there_is_a_storage_error(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(StorageError) as caught:
            read_table(path)
        assert caught.value.problems[0].path == str(path)


@pytest.mark.parametrize(
    "text", ['method = "os:system"', 'method = "study"\nfield = "os:system"', '[method]\ntype = "m:a"']
)
def test_a_file_never_makes_us_import_what_it_names(fakes, tmp_path, text):
    path: Path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(RadfieldError, match=r"unknown (method|field)"):
        compose(fakes, file=path, needs_data=False)
