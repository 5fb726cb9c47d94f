"""method:siren: the squared error of the pixels."""

import torch

from radfield_core import Method
from radfield_core.ops.segments import mean


class TrainSiren(Method):
    """Squared error on white, with a learning rate that falls exponentially."""

    def background(self, step, n, device):
        """White [n, 3]."""
        return torch.ones(n, 3, device=device)

    def losses(self, outputs, batch, model, step):
        """A mean over the rays given."""
        return {"rgb": mean((outputs.rendered.rgb - batch.rgb).square().mean(-1))}

    def param_groups(self, model):
        """One group."""
        return [{"name": "all", "params": list(model.parameters()), "lr": self.config.lr}]

    def lr_scale(self, step, group):
        """lr_final ^ progress."""
        return self.config.lr_final**step.progress
