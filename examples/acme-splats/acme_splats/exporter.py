"""exporter:depth-points: any model that renders depths -> the points where the rays of its training views end."""

from pathlib import Path

import torch

from acme_splats.config import DepthPointsConfig
from radfield_core import Exporter, Model, NoSurface, RaySpace, Scene, view_rays


class DepthPoints(Exporter):
    """Points with colors, at the mean distance of each ray that the model mostly blocks."""

    config: DepthPointsConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write a PLY file of text and return its path. Raises NoSurface if no ray is blocked."""
        found = []
        for index in range(len(scene.cameras)):
            view = scene.cameras.view(index)
            rendered = model.render(view)
            rays = view_rays(RaySpace(scene.near, scene.far), view, device=rendered.depth.device)
            points = rays.origins + (rendered.depth / rendered.opacity)[:, None] * rays.directions
            assert rendered.rgb is not None
            rgb = rendered.rgb / rendered.opacity[:, None]  # colors without the black behind them
            found.append(torch.cat([points, rgb], dim=-1)[rendered.opacity > 0.5])
        rows = torch.cat(found)[:: self.config.stride].double().cpu()
        if not len(rows):
            raise NoSurface("no ray of the training views is blocked", hint="Train longer")
        points = rows[:, :3] @ scene.to_data[:3, :3].t() + scene.to_data[:3, 3]
        colors = (255 * rows[:, 3:].clamp(0, 1)).round().int()
        header = ["ply", "format ascii 1.0", f"element vertex {len(rows)}"]
        header += [f"property float {axis}" for axis in "xyz"]
        header += [f"property uchar {color}" for color in ("red", "green", "blue")] + ["end_header"]
        lines = [
            " ".join([*(f"{value:.9g}" for value in point), *map(str, color)])
            for point, color in zip(points.tolist(), colors.tolist(), strict=True)
        ]
        path.write_text("\n".join([*header, *lines]) + "\n")
        return [path]
