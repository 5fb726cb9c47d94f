"""Files of Gaussians: other programs read ours and we theirs, the values are as near as the format allows, and damaged
or hostile files are refused."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from radfield_splat import Gaussians, read_splats, write_splats
from radfield_splat.splat_files import FORMATS
from radfield_splat.spz import packed_rotations, unpacked_rotations
from splat_scenes import scene

from radfield_core import DatasetError
from radfield_core.testing.fuzzing import apply_byte_edits, byte_edits

BASE = 0.28209479177387814


def unit(quaternions: torch.Tensor) -> torch.Tensor:
    """Unit quaternions whose largest component is positive."""
    q = torch.nn.functional.normalize(quaternions, dim=-1)
    return q * q.gather(1, q.abs().argmax(-1, keepdim=True)).sign()


def tame(n: int = 50, degree: int = 2) -> Gaussians:
    """Gaussians within the range of every format."""
    means, scales, quaternions, logits, harmonics = scene(n, degree)
    return Gaussians(means, scales, quaternions, logits, harmonics.clamp(-0.9, 0.9))


def written(path: Path, gaussians: Gaussians) -> Path:
    write_splats(path, gaussians)
    return path


def read_elsewhere(path: Path) -> Gaussians:
    """The Gaussians of a file, converted to PLY by GaussForge (which has Niantic's own reader) and read by plyfile."""
    gaussforge, plyfile = pytest.importorskip("gaussforge"), pytest.importorskip("plyfile")
    converted = gaussforge.GaussForge().convert(path.read_bytes(), path.suffix[1:], "ply")
    assert "error" not in converted
    (path.parent / "converted.ply").write_bytes(converted["data"])
    table = plyfile.PlyData.read(path.parent / "converted.ply")["vertex"]
    columns = [prop.name for prop in table.properties]
    rest = sum(name.startswith("f_rest_") for name in columns) // 3
    color = [[f"f_dc_{c}", *(f"f_rest_{c * rest + k}" for k in range(rest))] for c in range(3)]

    def column(*names: str) -> torch.Tensor:
        return torch.stack([torch.from_numpy(np.array(table[name])) for name in names], -1)

    return Gaussians(
        column("x", "y", "z"), column("scale_0", "scale_1", "scale_2"), column("rot_0", "rot_1", "rot_2", "rot_3"),
        column("opacity")[:, 0], torch.stack([column(*names) for names in color], -1),
    )  # fmt: skip


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("ending", FORMATS)
def test_other_programs_read_the_same_gaussians(ending, degree, tmp_path):
    path = written(tmp_path / f"a.{ending}", tame(degree=degree))
    found, expected = read_splats(path), read_elsewhere(path)
    assert found.degree == (0 if ending == "splat" else degree)
    for name in ("means", "log_scales", "opacity_logits", "harmonics"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(unit(found.quaternions), unit(expected.quaternions), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("ending", "version"), [("ply", 3), ("splat", 3), ("spz", 2), ("spz", 3)])
def test_files_that_another_program_writes_hold_the_gaussians(ending, version, tmp_path):
    gaussforge = pytest.importorskip("gaussforge")
    gaussians = tame(degree=1)
    source = written(tmp_path / "a.ply", gaussians)
    result = gaussforge.GaussForge().convert(source.read_bytes(), "ply", ending, spz_version=version)
    (tmp_path / f"b.{ending}").write_bytes(result["data"])
    found = read_splats(tmp_path / f"b.{ending}")
    assert (found.means - gaussians.means).abs().max() < 2e-4
    assert (found.log_scales - gaussians.log_scales).abs().max() < 0.04
    cosines = (unit(found.quaternions) * unit(gaussians.quaternions)).sum(-1).abs()
    assert cosines.min() > (0.99 if version == 2 else 0.9998)  # version 2 computes w from x, y and z
    assert (found.opacity_logits.sigmoid() - gaussians.opacity_logits.sigmoid()).abs().max() < 0.004


@pytest.mark.parametrize(("ending", "steps"), [("splat", (1e-6, 1e-6, 8e-3, 0.5 / 255, 0.5 / 255 / BASE)),
                                               ("spz", (1e-6, 1 / 32, 2e-3, 0.5 / 255, 0.5 / 255 / 0.15))])  # fmt: skip
def test_values_differ_by_half_a_step_of_the_format_at_most(ending, steps, tmp_path):
    gaussians = tame(400)
    found = read_splats(written(tmp_path / f"a.{ending}", gaussians))
    inside = (gaussians.harmonics[:, 0] * BASE).abs() < 0.5
    errors = (
        (found.means - gaussians.means).abs().max(),
        (found.log_scales - gaussians.log_scales).abs().max(),
        (unit(found.quaternions) - unit(gaussians.quaternions)).abs().max(),
        (found.opacity_logits.sigmoid() - gaussians.opacity_logits.sigmoid()).abs().max(),
        (found.harmonics[:, 0] - gaussians.harmonics[:, 0])[inside].abs().max(),
    )
    assert all(error <= 1.01 * step + 1e-6 for error, step in zip(errors, steps, strict=True)), errors
    if ending == "spz":
        assert (found.harmonics[:, 1:] - gaussians.harmonics[:, 1:]).abs().max() <= 0.5 / 128 + 1e-6


def test_a_splat_file_holds_records_of_32_bytes(tmp_path):
    means, scales, quaternions = torch.tensor([[1.0, -2.0, 3.5]]), torch.tensor([[0.0, 1.0, -1.0]]), torch.eye(4)[:1]
    red = torch.tensor([[[0.5 / BASE, 0.0, -9.0]]])
    written(tmp_path / "a.splat", Gaussians(means, scales, quaternions, torch.zeros(1), red))
    fields = struct.unpack("<6f8B", (tmp_path / "a.splat").read_bytes())
    assert fields[:6] == pytest.approx((1, -2, 3.5, 1, 2.7182818, 0.36787944))
    assert fields[6:] == (255, 128, 0, 128, 0, 128, 128, 128)  # −1 is exact, and is the same rotation as 1


@pytest.mark.parametrize("version", [2, 3])
def test_an_spz_file_made_by_hand_is_read(version, tmp_path):
    rotation = bytes([255, 0, 128]) if version == 2 else ((3 << 30) | (511 << 20) | (512 + 100)).to_bytes(4, "little")
    body = (-4096).to_bytes(3, "little", signed=True) + (2048).to_bytes(3, "little") + (1).to_bytes(3, "little")
    body += bytes([51, 255, 128, 0, 160, 0, 255]) + rotation + bytes([192, 128, 0] + [128] * 6)
    header = struct.pack("<IIIBBBB", 0x5053474E, version, 1, 1, 12, 1, 0)
    (tmp_path / "a.spz").write_bytes(gzip.compress(header + body, mtime=0))
    found = read_splats(tmp_path / "a.spz")
    assert found.means[0].tolist() == [-1.0, 0.5, 1 / 4096]
    assert found.opacity_logits[0].sigmoid().item() == pytest.approx(0.2)
    assert found.log_scales[0].tolist() == [0.0, -10.0, 5.9375]
    assert found.harmonics[0, 0].tolist() == pytest.approx(
        [0.5 / 0.15, (128 / 255 - 0.5) / 0.15, -0.5 / 0.15], abs=1e-6
    )
    assert found.harmonics[0, 1].tolist() == [0.5, 0.0, -1.0]
    x, z = (1.0, 1 / 255) if version == 2 else (0.5**0.5, -100 / 511 * 0.5**0.5)
    y = -1.0 if version == 2 else 0.0
    w = max(0.0, 1 - x * x - y * y - z * z) ** 0.5
    assert found.quaternions[0].tolist() == pytest.approx([w, x, y, z], abs=1e-6)


def test_packed_rotations_are_nearer_than_a_fifth_of_a_degree():
    q = unit(torch.randn(2000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    angle = 2 * (q * unpacked_rotations(packed_rotations(q)).double()).sum(-1).abs().clamp_max(1).acos()
    assert angle.max().rad2deg() < 0.25
    assert unpacked_rotations(packed_rotations(torch.eye(4))).equal(torch.eye(4))


@pytest.mark.parametrize(("extent", "bits"), [(1.0, 20), (100.0, 16), (3e6, 1)])
def test_an_spz_file_has_as_many_bits_after_the_point_as_fit(extent, bits, tmp_path):
    gaussians = tame(5)
    gaussians.means[:] = torch.linspace(-extent, extent, 15).reshape(5, 3)
    losses = write_splats(tmp_path / "a.spz", gaussians)
    assert f"rounded to 1/{2**bits}," in losses[0]
    assert (read_splats(tmp_path / "a.spz").means - gaussians.means).abs().max() <= 0.5 / 2**bits + 1e-7 * extent


def test_what_a_format_loses_is_counted(tmp_path):
    gaussians = tame(10, 1)
    gaussians.harmonics[:4, 0] = 9.0
    gaussians.harmonics[0, 1], gaussians.log_scales[0] = 3.0, -12.0
    assert write_splats(tmp_path / "a.ply", gaussians) == []
    assert write_splats(tmp_path / "a.splat", gaussians) == [
        "no harmonics, so colors no longer depend on the direction of view",
        "colors, opacities and rotations have 8 bits",
        "the colors of 4 of 10 Gaussians are limited to the range 0 to 1",
    ]
    assert write_splats(tmp_path / "a.spz", gaussians)[1:] == [
        f"the {name} of {n} of 10 Gaussians exceed SPZ's range and are limited"
        for name, n in (("scales", 1), ("colors", 4), ("harmonics", 1))
    ]
    gaussians.means[0] = 5e6
    with pytest.raises(DatasetError, match=r"cannot hold coordinates.*\n.*Write a \.ply"):
        write_splats(tmp_path / "a.spz", gaussians)


def ply_of(header: str, data: bytes = b"") -> bytes:
    return f"ply\nformat binary_little_endian 1.0\n{header}end_header\n".encode() + data


def spz_of(version: int = 3, n: int = 1, degree: int = 0, bits: int = 12, flags: int = 0, size: int = 20) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, version, n, degree, bits, flags, 0) + bytes(size), mtime=0)


PROPERTIES = "".join(f"property float {name}\n" for name in (
    "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1",
    "rot_2", "rot_3"))  # fmt: skip
ONE = struct.pack("<14f", *[0.5] * 14)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"must end in one of \.ply, \.splat, \.spz"),
        ("a.ply", b"", "is not a PLY file"),
        ("a.ply", b"ply\n" + b"comment x\n" * 9000, "header does not end"),
        ("a.ply", ply_of("").replace(b"binary_little_endian", b"ascii"), "in ascii"),
        ("a.ply", ply_of("element chunk 1\nproperty float min_x\n"), "SuperSplat has compressed"),
        ("a.ply", ply_of("element face 3\n"), "without a list of vertices"),
        ("a.ply", ply_of(f"element vertex -1\n{PROPERTIES}"), "without a list of vertices"),
        ("a.ply", ply_of(f"element vertex 99999999999999\n{PROPERTIES}"), "at most 10000000 are read"),
        ("a.ply", ply_of(f"element vertex 9000000\n{PROPERTIES}", ONE), "has 56 bytes of data instead of 504000000"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES}", ONE + b"x"), "has 57 bytes"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES}property float x\n", ONE), "two properties of one name"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES}property list uchar int i\n", ONE), "is not understood"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES.replace('float x', 'half x')}", ONE), "is not understood"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES.replace('rot_3', 'rot_4')}", ONE), "no property rot_3"),
        ("a.ply", ply_of(f"element vertex 0\n{PROPERTIES}"), "holds no Gaussians"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES}", ONE[:4] + struct.pack("<f", float("nan")) + ONE[8:]),
         r"means of Gaussian 0 is \(0\.5, nan, 0\.5\); 1 of 1"),
        ("a.ply", ply_of(f"element vertex 1\n{PROPERTIES}", ONE[:28] + struct.pack("<f", 99.0) + ONE[32:]),
         "log scales of Gaussian 0"),
        ("a.splat", b"", "holds no Gaussians"),
        ("a.splat", bytes(33), "not a multiple of 32"),
        ("a.splat", struct.pack("<6f8B", *[1.0] * 3, -1.0, 1.0, 1.0, *[255] * 8), "negative size"),
        ("a.splat", struct.pack("<6f8B", *[1.0] * 6, *[128] * 8), r"rotation of Gaussian 0 is \(0, 0, 0, 0\)"),
        ("a.spz", b"", "is not an SPZ file"),
        ("a.spz", b"PK\3\4", "not an intact gzip file"),
        ("a.spz", gzip.compress(b"x" * 99, mtime=0), "another header"),
        ("a.spz", struct.pack("<II", 0x5053474E, 4), "version 4"),
        ("a.spz", spz_of(version=1), "version 1"),
        ("a.spz", spz_of(degree=4), "degree 4"),
        ("a.spz", spz_of(bits=24), "24 bits after"),
        ("a.spz", spz_of(flags=2), "has extensions"),
        ("a.spz", spz_of(n=0, size=0), "holds no Gaussians"),
        ("a.spz", spz_of(n=2**32 - 1), "at most 10000000"),
        ("a.spz", spz_of(size=19), "ends after 19 of 20 bytes"),
        ("a.spz", spz_of(size=21), "has more than 20 bytes"),
        ("a.spz", spz_of()[:-6], "is cut off after 20 bytes"),
        ("a.spz", spz_of()[:-5] + b"\1234\0", "not an intact gzip file"),
        ("a.spz", spz_of(n=9_000_000, size=1 << 20), "as only a bomb does"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_in_words(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_splats(tmp_path / name)


def test_a_pipe_a_folder_and_a_missing_file_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.splat")
    (tmp_path / "b.ply").mkdir()
    for name in ("a.splat", "b.ply", "c.spz"):
        with pytest.raises(DatasetError):
            read_splats(tmp_path / name)


def test_flat_and_fully_opaque_gaussians_are_read(tmp_path):
    content = struct.pack("<14f", *[0.5] * 6, float("inf"), float("-inf"), *[0.5] * 6)
    (tmp_path / "a.ply").write_bytes(ply_of(f"element vertex 1\n{PROPERTIES}", content))
    found = read_splats(tmp_path / "a.ply")
    assert found.opacity_logits.item() == 20 and found.log_scales[0].tolist() == [-30.0, 0.5, 0.5]


def test_other_types_line_ends_and_further_elements_are_read(tmp_path):
    properties = PROPERTIES.replace("float x", "double x") + "property uchar label\n"
    header = f"comment by hand\nelement vertex 1\n{properties}element camera 1\nproperty float f\n"
    content = struct.pack("<d13fBf", 0.25, *[0.5] * 13, 7, 1.0)
    (tmp_path / "a.PLY").write_bytes(ply_of(header).replace(b"\n", b"\r\n") + content)
    assert read_splats(tmp_path / "a.PLY").means.tolist() == [[0.25, 0.5, 0.5]]


@settings(max_examples=60, deadline=None)
@given(edits=byte_edits(), ending=st.sampled_from(sorted(FORMATS)), packed=st.booleans())
@example(edits=[("truncate", 0.5, b"")], ending="spz", packed=True)
def test_a_damaged_file_is_refused_or_gives_gaussians_that_can_be_drawn(tmp_path_factory, edits, ending, packed):
    path = tmp_path_factory.mktemp("damaged") / f"a.{ending}"
    write_splats(path, tame(3, 1))
    whole = path.read_bytes()
    inside = ending == "spz" and packed
    damaged = apply_byte_edits(gzip.decompress(whole) if inside else whole, edits)
    path.write_bytes(gzip.compress(damaged, mtime=0) if inside else damaged)
    try:
        found = read_splats(path)
    except DatasetError:
        return
    assert all(x.isfinite().all() for x in found.tensors()) and len(found)
    assert found.quaternions.norm(dim=-1).min() > 0 and found.log_scales.exp().isfinite().all()
