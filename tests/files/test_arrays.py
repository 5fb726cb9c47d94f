"""NumPy files: headers are believed only as far as the bytes go, and objects are never unpickled."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from radfield_core.errors import DatasetError
from radfield_core.files import arrays
from radfield_core.files.arrays import npz_names, read_npy, read_npz


class _Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _npy(shape: str, dtype: str = "<f8", body: bytes = b"") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def test_arrays_come_back(tmp_path):
    a, b = np.arange(6.0).reshape(2, 3), np.float32(3.5)
    np.savez_compressed(tmp_path / "x.npz", a=a, b=b)
    np.save(tmp_path / "x.npy", a)
    found = read_npz(tmp_path / "x.npz", ["a", "b"])
    assert (found["a"] == a).all() and found["b"] == b
    assert (read_npy(tmp_path / "x.npy") == a).all()
    assert npz_names(tmp_path / "x.npz") == {"a", "b"} and npz_names(tmp_path / "x.npy") == set()


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    canary = tmp_path / "canary"
    objects = np.array([_Canary(canary)], dtype=object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", poses=objects)
    for read in (lambda: read_npy(tmp_path / "x.npy"), lambda: read_npz(tmp_path / "x.npz", ["poses"])):
        with pytest.raises(DatasetError, match="objects"):
            read()
    assert not canary.exists()
    np.load(tmp_path / "x.npy", allow_pickle=True)
    assert canary.exists(), "the canary must be able to sing"


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(2, 1000000000, 1000000000)", "(9,)"])
def test_a_header_that_promises_too_much_costs_no_memory(tmp_path, shape):
    (tmp_path / "x.npy").write_bytes(_npy(shape, body=b"\0" * 64))
    tracemalloc.start()
    with pytest.raises(DatasetError):
        read_npy(tmp_path / "x.npy")
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


def test_a_giant_header_is_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 1000)
    with pytest.raises(DatasetError):
        read_npy(tmp_path / "x.npy")


def test_limits_and_missing_arrays_are_said(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(1000))
    with pytest.raises(DatasetError, match="allowed"):
        read_npz(tmp_path / "x.npz", ["a"], max_bytes=100)
    with pytest.raises(DatasetError, match="no array b, c; its arrays are a"):
        read_npz(tmp_path / "x.npz", ["a", "b", "c"])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mangled_archives_are_dataset_errors(tmp_path_factory, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", _npy("(4,)", body=bytes(range(32))))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("z") / "x.npz"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(DatasetError):
        read_npz(file, ["a"])


def _bomb(path, method=zipfile.ZIP_DEFLATED, size=8 << 20):
    """An archive with an honest array of zeros, packed about a thousand times smaller, and a small one."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", _npy(f"({size},)", "|u1", bytes(size)))
        archive.writestr("y.npy", _npy("(2,)", "|u1", b"ab"))


def test_an_array_that_is_packed_too_tightly_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    _bomb(tmp_path / "x.npz")
    assert len(read_npz(tmp_path / "x.npz", ["x"])["x"]) == 8 << 20, "a few MiB may be packed as tightly as zeros are"
    monkeypatch.setattr(arrays, "FREE_BYTES", 1 << 20)
    tracemalloc.start()
    with pytest.raises(DatasetError, match="more than 100 times"):
        read_npz(tmp_path / "x.npz", ["x"])
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert bytes(read_npz(tmp_path / "x.npz", ["y"])["y"]) == b"ab", "what is not asked for does no harm"


def test_all_arrays_together_are_limited(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(1000), b=np.ones(1000))
    assert len(read_npz(tmp_path / "x.npz", ["a", "b"], max_bytes=16_000)) == 2
    with pytest.raises(DatasetError, match="together"):
        read_npz(tmp_path / "x.npz", ["a", "b"], max_bytes=8_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_numpy_does_not_use_are_refused(tmp_path, method):
    _bomb(tmp_path / "x.npz", method, size=100)
    with pytest.raises(DatasetError, match="method"):
        read_npz(tmp_path / "x.npz", ["x"])


@pytest.mark.parametrize("record", ["32 bits", "64 bits"])
def test_a_list_of_arrays_of_absurd_length_is_not_read(tmp_path, record):
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    end = data.rfind(b"PK\5\6")
    if record == "32 bits":
        data[end + 12 : end + 16] = struct.pack("<I", 2**31)
    else:
        wide = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 10**7, 10**7, 2**40, 0)
        data[end:end] = wide + b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DatasetError, match="the list of its arrays"):
        read_npz(tmp_path / "x.npz", ["a"])
    assert npz_names(tmp_path / "x.npz") == set()


def test_a_damaged_array_is_noticed_by_its_checksum(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(100.0))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[400] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DatasetError, match="CRC"):
        read_npz(tmp_path / "x.npz", ["a"])
