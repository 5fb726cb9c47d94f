"""Laws of converters, checked on the example data set that the test supplies."""

from __future__ import annotations

from radfield_core.errors import RadfieldError
from radfield_core.interfaces import Converter
from radfield_core.testing.examples import example_of
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.under_test import PartUnderTest


@law("converter", fix="Write only into a new or empty folder, and raise DatasetError for a source that cannot be read.")
def conversion_is_complete_or_absent(tested: PartUnderTest) -> None:
    """convert returns the files that it wrote, all of them inside the target folder. If the target folder is not empty,
    convert raises a RadfieldError and leaves the folder unchanged. If the source is missing, convert raises a
    RadfieldError and creates no target folder."""
    source = example_of(tested).root
    target, other = tested.folder / "target", tested.folder / "other"
    converter: Converter = tested.build()
    files = converter.convert(source, target)
    expect(files, "convert returned no file")
    for file in files:
        expect(file.is_file() and file.is_relative_to(target), f"{file} is not a file inside the target folder")
    before = sorted(str(path) for path in target.rglob("*"))
    for refused, folder in ((source, target), (tested.folder / "missing", other)):
        try:
            tested.build().convert(refused, folder)
        except RadfieldError:
            continue
        except Exception as error:
            raise LawBroken(f"convert raises {type(error).__name__}, not a RadfieldError: {error}") from error
        raise LawBroken(f"{refused.name} was converted into {folder.name}, although convert must refuse this")
    expect(sorted(str(path) for path in target.rglob("*")) == before, "a target folder that is not empty was changed")
    expect(not other.exists(), "convert created a target folder although the source is missing")
