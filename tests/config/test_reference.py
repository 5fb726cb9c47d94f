"""Rows of options: every option with its range and default, as `radfield config options` prints them."""

from __future__ import annotations

from radfield_core.config.reference import OptionRow, option_rows
from radfield_core.config.run import RunConfig
from radfield_core.config.structure import options_of


def rows_of(options, **keywords) -> dict[str, OptionRow]:
    return {row.path: row for row in option_rows(options, **keywords)}


def test_a_row_has_type_range_default_and_help(fakes):
    rows = rows_of(options_of(fakes.find("encoding", "wave")))
    assert list(rows) == ["n", "scale", "tag", "span", "shifts", "limit", "mode", "on", "folder"]
    assert rows["n"] == ("n", "a whole number, ≥ 1, ≤ 1000", "4", "waves")
    assert rows["scale"].kind == "a number, > 0" and rows["limit"].default == "none"
    assert rows["span"].default == "[0.0, 1.0]" and rows["mode"].kind == '"soft" or "hard"'


def test_an_option_that_must_be_given_has_no_default(fakes):
    assert rows_of(options_of(fakes.find("dataparser", "boxes")))["root"].default == ""


def test_slots_show_their_kind_and_a_default_table_as_toml(fakes):
    rows = rows_of(options_of(fakes.find("field", "blob")))
    assert rows["encoding"][1:3] == ("encoding", '{type = "wave", n = 6}')
    assert rows["direction_encoding"][1:3] == ("encoding or none", "wave")
    assert rows_of(options_of(fakes.find("encoding", "cells")))["inner"].default == "none"


def test_tables_are_listed_with_their_options_and_a_preset_replaces_defaults():
    rows = rows_of(RunConfig, preset={"trainer": {"max_steps": 7}, "sampler": "crooked"})
    assert rows["trainer.max_steps"].default == "7" and rows["trainer.seed"].default == "0"
    assert rows["sampler"].default == "crooked" and rows["background"].kind == "a table or none"
    assert {"background.field", "scene.near", "eval.rays_per_chunk"} <= rows.keys()
    assert all(row.help for row in rows.values())
