"""`radfield plugins`: lists, explanations and laws of what is installed."""

from __future__ import annotations

import pytest


def test_info_explains_parts_by_any_of_their_names(radfield) -> None:
    for name in ("fakes", "Fake_Parts", "study", "method:study", "study-small", "fake-parts:study"):
        assert "method:study: a study\n" in radfield("plugins", "info", name).stdout, name
    text = radfield("plugins", "info", "blob").stdout
    assert "needs     direction_encoding with directions; encoding with points|gaussians" in text
    assert "slots" not in text and "slots" not in radfield("plugins", "info", "study").stdout
    assert (
        "  provides  point_color\n  slots     none (its own model)\n" in radfield("plugins", "info", "painter").stdout
    )
    assert "  slots     sampler\n" in radfield("plugins", "info", "etcher").stdout


def test_info_of_an_unknown_name_offers_the_nearest(radfield) -> None:
    done = radfield("plugins", "info", "wavy")
    assert done.returncode == 69 and "'wavy'" in done.stderr and "try: radfield plugins info wave\n" in done.stderr


def test_the_list_has_a_row_for_each_plugin_with_its_parts(radfield) -> None:
    header, *rows = radfield("plugins", "list").stdout.splitlines()
    assert header.split() == ["plugin", "distribution", "status", "offers"]
    (row,) = [row for row in rows if row.startswith("fakes ")]
    assert row.split()[1:4] == ["fake-parts", "1.0", "ok"] and "encoding:wave" in row and "method:study" in row
    disabled = radfield("plugins", "list", RADFIELD_DISABLE_PLUGINS="fakes").stdout
    (row,) = [row for row in disabled.splitlines() if row.startswith("fakes ")]
    assert row.split()[3] == "disabled" and "encoding:wave" not in row


@pytest.mark.parametrize("name", ["encoding:no-such-part", "no-such-distribution"])
def test_a_check_of_nothing_installed_is_refused(radfield, name: str) -> None:
    done = radfield("plugins", "check", name)
    assert done.returncode in (2, 69) and name.partition(":")[2] in done.stderr and "Traceback" not in done.stderr


def test_a_check_prints_every_law_of_a_part(radfield) -> None:
    done = radfield("plugins", "check", "renderer:volume")
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    assert first == "renderer:volume (radfield-core)"
    laws = [row for row in rows if row.startswith("  ")]
    kept = [row for row in laws if row.endswith("  kept")]
    assert kept and f"{len(kept)} laws kept, 0 broken" in done.stdout
