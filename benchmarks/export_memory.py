"""Peak memory and time of a mesh export at 1024³ cells.

    python benchmarks/export_memory.py [--resolution 1024] [--write]

The field is a bumpy sphere in closed form: the surface has millions of vertices, and the model needs no memory.
`--write` saves the results as benchmarks/results/export_memory.json. Exits 1 if the export needs more than 3 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from radfield_mesh.config import MeshConfig
from radfield_mesh.mesh import MeshExporter
from torch import Tensor

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results
from radfield_core.interfaces import Field
from radfield_core.types import FieldOutputs, RaySamples, SceneBox

LIMIT_GIB = 3.0


class BumpySphere(Field):
    """Signed distance of a sphere with bumps, colored by position."""

    def __init__(self) -> None:
        super().__init__()
        self.radius = torch.nn.Parameter(torch.tensor(0.8))

    def forward(self, samples: RaySamples) -> FieldOutputs:
        """Not needed: an export evaluates points and renders nothing."""
        raise NotImplementedError("this field is exported, not rendered")

    def sdf(self, x: Tensor) -> Tensor:
        """Signed distance [M] of points x [M, 3]."""
        distance: Tensor = x.norm(dim=-1) - self.radius + 0.03 * (20 * x).sin().prod(-1)
        return distance

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient [M, 3] of the signed distance at points x [M, 3]."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.sdf(x).sum(), x)[0]

    def point_color(self, x: Tensor, viewdirs: Tensor | None = None, image_ids: Tensor | None = None) -> Tensor:
        """Colors [M, 3] of points x [M, 3]."""
        return 0.5 + 0.5 * x.clamp(-1, 1)


def peak_gib() -> float:
    """The peak of the process's resident memory, GiB."""
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 2**20 if sys.platform != "darwin" else kib / 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/export_memory.json")
    args = parser.parse_args()
    scene: Any = SimpleNamespace(
        box=SceneBox(torch.zeros(3), 1.0),
        to_data=torch.eye(4, dtype=torch.float64),
        up="z",
        warp=None,
        data_points=lambda x: x,
    )
    before, started = peak_gib(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model: Any = SimpleNamespace(queries=BumpySphere)
        (path,) = MeshExporter(MeshConfig(resolution=args.resolution)).export(model, scene, Path(folder) / "mesh.ply")
        size = path.stat().st_size / 2**20
    results = {
        "resolution": args.resolution,
        "seconds": round(time.perf_counter() - started, 1),
        "file_mib": round(size),
        "before_gib": round(before, 2),
        "peak_gib": round(peak_gib(), 2),
        "beside_model_gib": round(peak_gib() - before, 2),
    }
    print(json.dumps(results, indent=2))
    if args.write:
        path = Path(__file__).parent / "results" / "export_memory.json"
        write_results(path, {**results, "machine": machine()})
    return 0 if results["beside_model_gib"] <= LIMIT_GIB else 1


if __name__ == "__main__":
    sys.exit(main())
