"""Results on disk: complete or absent, with nulls for infinities, and an error that names the file."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import pytest

from radfield_core.errors import StorageError
from radfield_core.files.results import write_results


def test_results_read_back_from_a_new_folder_with_null_for_infinity(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "results.json"
    write_results(path, {"rows": [{"ratio": 1.5, "psnr": math.inf}], "processor": "α"})
    expected = {"rows": [{"ratio": 1.5, "psnr": None}], "processor": "α"}
    assert json.loads(path.read_text(encoding="utf-8")) == expected


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "results.json"
    path.write_text("earlier")
    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(StorageError, match="No space left") as caught:
            write_results(path, {})
    assert caught.value.problems[0].path == str(path)
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]
