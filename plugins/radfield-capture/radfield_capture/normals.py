"""loss:normals — rendered normals, compared with normal images."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from radfield_capture.supervision import NormalsConfig
from radfield_core import Batch, BuildContext, Loss, Model, ModelOutputs, Step, UsageError


class Normals(Loss):
    """The error of rendered normals (MonoSDF, equations 13 and 14), as a mean over the rays whose normal is known."""

    def __init__(self, config: NormalsConfig, ctx: BuildContext):
        super().__init__()
        self.config = config

    def forward(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> Tensor:
        """Return the errors [R], or [H·W] for a whole view, times their weights, which are 0 where no normal is known.

        Raises:
            UsageError: the model renders no normals.
        """
        rendered = outputs.rendered.normals
        if rendered is None:
            raise UsageError(
                "loss 'normals' needs rendered normals, and the model of this method renders none",
                path="losses",
                hint="Leave out losses.normals, or use field=neus",
            )
        weights = batch.extras["normals_weights"].flatten()
        known = batch.extras["normals"].reshape(-1, 3).nan_to_num()
        return weights * normal_error(rendered.reshape(-1, 3), known, self.config.cosine)


def normal_error(rendered: Tensor, known: Tensor, cosine: float) -> Tensor:
    """Return |n − m|₁ + cosine · (1 − n · m) [R].

    Args:
        rendered: normals Σ w n [R, 3] of the model. They are scaled to unit length n. Where Σ w n is 0, n is 0.
        known: unit normals m [R, 3].
        cosine: weight of the second term.

    Example:
        >>> import torch
        >>> axes = torch.eye(3)
        >>> normal_error(0.5 * axes[:1], axes[:1], 1.0), normal_error(axes[:1], axes[1:2], 1.0)
        (tensor([0.]), tensor([3.]))
    """
    n = normalize(rendered, dim=-1, eps=1e-6)
    return (n - known).abs().sum(-1) + cosine * (1.0 - (n * known).sum(-1))
