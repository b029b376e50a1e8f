"""The norm of every block: `norm_cfg=dict(type='RMSNorm')`."""

from torch import Tensor, nn

from ..ops import rms_norm


class RMSNorm(nn.RMSNorm):
    """`torch.nn.RMSNorm`, in one pass over the tokens.

    Attributes:
        backend (str): See `mmvideomamba.ops.rms_norm`.
    """

    backend = 'auto'

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is None or self.weight.ndim > 1:
            return super().forward(x)
        return rms_norm(x, self.weight, self.eps, self.backend)
