"""encoding:ipe, the integrated positional encoding of mip-NeRF.

Shapes: M rows, D dimensions, L frequencies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core import BuildContext, Encoding, UsageError
from radfield_ipe.config import IpeConfig


class Ipe(Encoding):
    """Integrated positional encoding: E[sin 2^k x] and E[cos 2^k x] for x ~ N(μ, diag s) (mip-NeRF, equation 14).

    The expected values are exp(−½ 4^k s) sin 2^k μ and exp(−½ 4^k s) cos 2^k μ. In the output, all D·L sines come
    first, ordered by frequency, and then all cosines. High frequencies remain accurate: multiplying by a power of two
    does not round, and torch computes the sine of large float32 angles without loss of accuracy.

    Args:
        config: options.
        ctx: context of the run; not used.
        in_dim: number of coordinates D.

    Raises:
        UsageError: max_degree is at most min_degree, so there are no frequencies.

    Example:
        >>> from radfield_core import SceneBox
        >>> ctx = BuildContext(bounds=SceneBox(torch.zeros(3), 1.0))
        >>> encoding = Ipe(IpeConfig(max_degree=2), ctx, in_dim=1)
        >>> encoding(torch.zeros(1, 1), torch.ones(1, 1))  # sin 0, sin 0, exp(−½), exp(−2)
        tensor([[0.0000, 0.0000, 0.6065, 0.1353]])
    """

    frequencies: Tensor

    def __init__(self, config: IpeConfig, ctx: BuildContext, *, in_dim: int):
        super().__init__()
        octaves = config.max_degree - config.min_degree
        if octaves < 1:
            raise UsageError(
                f"min_degree={config.min_degree} is not below max_degree={config.max_degree}, so no frequency is left",
                path="encoding.max_degree",
                hint=f"Set max_degree={min(config.min_degree + 16, 24)} in this encoding",
            )
        self.in_dim, self.out_dim = in_dim, 2 * in_dim * octaves
        frequencies = 2.0 ** torch.arange(config.min_degree, config.max_degree)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        """Return the features [M, out_dim] of Gaussians with means x and diagonal covariances `cov`, both [M, D].

        If `cov` is None, return the features of the points x.
        """
        angles = (x[:, None, :] * self.frequencies[:, None]).flatten(1)
        waves = torch.stack([angles.sin(), angles.cos()], dim=1)
        if cov is None:
            return waves.flatten(1)
        variances = (cov[:, None, :] * self.frequencies.square()[:, None]).flatten(1)
        return (waves * torch.exp(-0.5 * variances)[:, None]).flatten(1)
