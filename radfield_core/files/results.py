"""Write the results of evaluations and benchmarks as JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radfield_core.errors import unwritable
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write results to a JSON file. The file appears only when it is complete.

    Args:
        path: the file. Missing parent folders are created.
        results: nested mappings, lists and tuples of text, numbers, True, False and None.

    Raises:
        StorageError: the file cannot be written. The message contains the path of the file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "results.json"
        ...     write_results(path, {"psnr": 31.2})
        ...     print(path.read_text().strip())
        {
          "psnr": 31.2
        }
    """
    try:
        write_durably(path, dump_json(results, indent=2) + "\n")
    except OSError as error:
        raise unwritable(error, path) from error
