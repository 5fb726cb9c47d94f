"""Rules for every installed part: its options import nothing slow, and its presets compose and fit."""

from __future__ import annotations

import subprocess
import sys

from radfield_core.config.files import dump
from radfield_core.config.fit import check
from radfield_core.config.layers import compose
from radfield_core.plugins.registry import Registry


def test_the_options_of_every_part_are_documented_and_import_no_torch_or_numpy():
    program = """if True:
        import sys
        from radfield_core.plugin import load
        from radfield_core.config.reference import option_rows
        from radfield_core.plugins.registry import get_registry
        slow = {"torch", "numpy"}
        for part in get_registry().components:
            rows = list(option_rows(load(part.config)))
            if part.capabilities:
                load(part.capabilities)
            found = slow & {name.partition(".")[0] for name in sys.modules}
            undocumented = [row.path for row in rows if not row.help]
            if found or undocumented:
                print(part.distribution, part.key, sorted(found), undocumented)
                slow -= found
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_looking_at_a_dataset_imports_no_torch():
    program = """if True:
        import sys
        from radfield_core.plugin import load
        from radfield_core.plugins.registry import get_registry
        for part in get_registry().of_kind("dataparser"):
            if part.sniff:
                load(part.sniff)(__import__("pathlib").Path("."))
            if "torch" in sys.modules:
                sys.exit(f"{part.key} imports torch")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_preset_composes_fits_and_shows_itself(tmp_path):
    registry = Registry.discover()
    names = [name for method in registry.of_kind("method") for name in method.preset]
    assert names, "no method is installed beside core"
    for name in names:
        run = compose(registry, method=name, needs_data=False).run
        check(run, registry)
        path = tmp_path / f"{name}.toml"
        path.write_text(dump(run), encoding="utf-8")
        assert dump(compose(registry, file=path, needs_data=False).run) == dump(run)
