"""`radfield config`: a file that shows itself, origins of values, and the options of parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from radfield_core.cli.main import main


def test_config_show_prints_a_file_that_shows_itself(radfield, tmp_path) -> None:
    words = ["field.width=7", "--method", "study", "trainer.seed=3", "--quiet", "data=boxes", "data.root=ü b/"]
    first = radfield("config", "show", *words)
    assert first.returncode == 0, first.stderr
    (tmp_path / "run.toml").write_text(first.stdout, encoding="utf-8")
    assert radfield("config", "show", "-c", "run.toml").stdout == first.stdout
    assert radfield("config", "validate", "run.toml").stdout == "run.toml: valid, method study\n"


def test_a_file_without_data_is_valid_and_the_data_are_left_to_the_command_line(radfield, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('method = "study"\n')
    output = radfield("config", "validate", "run.toml").stdout
    assert "valid, method study" in output and "--data" in output


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["options", "hash"], "'hash' does not have the form KIND:NAME", "radfield config options encoding:hash"),
        (["options", "xyzzy"], "'xyzzy' does not have the form KIND:NAME", "radfield config options encoding:hash"),
    ],
)
def test_a_mistake_is_answered_with_a_command(radfield, words: list[str], says: str, hint: str) -> None:
    done = radfield("config", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert says in done.stderr and hint in done.stderr.partition("try: ")[2]


def test_a_file_that_does_not_exist_is_named(radfield) -> None:
    done = radfield("config", "validate", "absent.toml")
    assert done.returncode == 74 and done.stderr.startswith("error: absent.toml: cannot be read")


def test_the_order_of_options_and_overrides_does_not_matter(radfield) -> None:
    words = [["field.width=7"], ["--method", "study"], ["trainer.seed=3"], ["sampler.n_samples=9"]]
    shown = {
        radfield("config", "show", *(word for words in order for word in words)).stdout
        for order in (words, words[::-1], words[2:] + words[:2])
    }
    assert len(shown) == 1 and "width = 7" in shown.pop()


def test_config_show_origin_names_where_each_value_comes_from(radfield) -> None:
    lines = radfield("config", "show", "--method", "study", "trainer.seed=3", "--origin").stdout.splitlines()
    rows = {line.partition(" ")[0]: line.split("# ")[-1] for line in lines}
    assert rows["trainer.seed"] == "command line" and rows["trainer.max_steps"] == "preset study"
    assert rows["method.type"] == "--method" and rows["eval.rays_per_chunk"] == "default"
    assert all("# " in line for line in lines)


def test_config_validate_refuses_what_does_not_fit(radfield, tmp_path) -> None:
    (tmp_path / "run.toml").write_text('method = "study"\nsampler = "crooked"\n')
    done = radfield("config", "validate", "run.toml")
    assert done.returncode == 2
    assert "field 'blob' does not provide fakes.thick and sdf, which sampler 'crooked' needs" in done.stderr
    assert "try: Use field=slab" in done.stderr


def test_config_options_explains_every_option_of_a_part(radfield) -> None:
    text = radfield("config", "options", "encoding:wave").stdout
    assert "encoding:wave (fake-parts): waves" in text
    assert "\nn = 4\n    a whole number, ≥ 1, ≤ 1000\n    waves\n" in text
    assert "\nspan = [0.0, 1.0]\n" in text and "\nlimit = none\n" in text and "\nmode = soft\n" in text
    assert "\nroot, required\n" in radfield("config", "options", "dataparser:boxes").stdout
    text = radfield("config", "options").stdout
    assert "\ntrainer.max_steps = 20000\n" in text and "\nbackground = none\n" in text


def test_config_options_of_a_preset_has_its_values(radfield) -> None:
    assert "\nlr = 0.01\n" in radfield("config", "options", "method:study").stdout
    text = radfield("config", "options", "method:study-small").stdout
    assert "\nlr = 0.001\n" in text and "radfield config show --method study-small\n" in text
    assert "of preset" not in radfield("config", "options", "method:bare").stdout


def test_rates_of_groups_are_shown_without_data(capsys) -> None:
    words = ["field.encoding.n_levels=2", "field.encoding.log2_table_size=8", "trainer.max_steps=900"]
    assert main(["config", "show", "--method", "ngp-small", "--rates", *words]) == 0
    header, networks, encodings = (line.split() for line in capsys.readouterr().out.splitlines())
    assert " ".join(header) == "group numbers weight decay lr in step 1 in step 451 in step 900"
    assert networks == ["networks", "3,520", "0.01", "0.01", "0.01", "0.01"]
    assert encodings == ["encodings", "1,024", "0", "0.01", "0.01", "0.01"]
