"""Read files of unknown origin safely, and write files so that a crash loses nothing.

The names below are public.
"""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.files.arrays import npz_names as npz_names, read_npy as read_npy, read_npz as read_npz
    from radfield_core.files.cache import cache_dir as cache_dir
    from radfield_core.files.durable import atomic_path as atomic_path, write_durably as write_durably
    from radfield_core.files.json_files import read_json as read_json
    from radfield_core.files.output import file_and_format as file_and_format, require_empty as require_empty
    from radfield_core.files.pictures import write_picture as write_picture
    from radfield_core.files.untrusted import (
        display_path as display_path,
        missing_files as missing_files,
        read_limited as read_limited,
        safe_join as safe_join,
    )

_HOMES = {
    "arrays": "npz_names read_npy read_npz",
    "cache": "cache_dir",
    "durable": "atomic_path write_durably",
    "json_files": "read_json",
    "output": "file_and_format require_empty",
    "pictures": "write_picture",
    "untrusted": "display_path missing_files read_limited safe_join",
}

if not TYPE_CHECKING:  # if a type checker saw __getattr__, it would accept any name as public
    __getattr__, __dir__ = lazy(__name__, _HOMES)
