"""Files: reading what strangers wrote, and writing our own so that a crash loses nothing."""

from typing import TYPE_CHECKING

from radfield_core.names import lazy

if TYPE_CHECKING:
    from radfield_core.files.arrays import npz_names as npz_names, read_npy as read_npy, read_npz as read_npz
    from radfield_core.files.durable import (
        atomic_path as atomic_path,
        cache_dir as cache_dir,
        write_atomic as write_atomic,
    )
    from radfield_core.files.output import file_and_format as file_and_format, need_empty as need_empty
    from radfield_core.files.pictures import write_picture as write_picture
    from radfield_core.files.untrusted import (
        missing_files as missing_files,
        read_json as read_json,
        read_limited as read_limited,
        safe_join as safe_join,
        shown as shown,
    )

_HOMES = {
    "arrays": "npz_names read_npy read_npz",
    "durable": "atomic_path cache_dir write_atomic",
    "output": "file_and_format need_empty",
    "pictures": "write_picture",
    "untrusted": "missing_files read_json read_limited safe_join shown",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
