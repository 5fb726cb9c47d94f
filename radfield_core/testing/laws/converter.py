"""Laws of converters, checked on the example that the author supplies."""

from __future__ import annotations

from radfield_core.errors import RadfieldError
from radfield_core.interfaces import Converter
from radfield_core.testing.examples import example_of
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.under_test import PartUnderTest


@law("converter", fix="Write into an empty or new target folder only; raise DatasetError for a source it cannot read.")
def conversion_is_complete_or_absent(tested: PartUnderTest) -> None:
    """convert returns files that exist below the target. A target that is not empty is refused and stays as it is; a
    missing source raises a RadfieldError and leaves no target."""
    source = example_of(tested).root
    target, other = tested.folder / "target", tested.folder / "other"
    converter: Converter = tested.build()
    files = converter.convert(source, target)
    expect(files, "convert returned no file")
    for file in files:
        expect(file.is_file() and file.is_relative_to(target), f"{file} is not a file below the target")
    before = sorted(str(path) for path in target.rglob("*"))
    for refused, folder in ((source, target), (tested.folder / "missing", other)):
        try:
            tested.build().convert(refused, folder)
        except RadfieldError:
            continue
        except Exception as error:
            raise LawBroken(f"it raises {type(error).__name__}: {error}") from error
        raise LawBroken(f"{refused.name} was converted into {folder.name}, which must be refused")
    expect(sorted(str(path) for path in target.rglob("*")) == before, "a target that is not empty was changed")
    expect(not other.exists(), "converting a missing source left a target folder")
