"""mmaction2's ViT with fused attention, as a stronger baseline.

mmaction2 writes the (L, L) matrix of every head to memory. PyTorch's
`scaled_dot_product_attention`, FlashAttention where the device has it,
computes the same and does not.
"""

import torch
from mmaction.models.backbones.vit_mae import Attention
from torch import Tensor, nn
from torch.nn import functional as F


class FusedAttention(Attention):
    """`Attention` of the same parameters and results."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) to (B, L, C)."""
        bias = None
        if hasattr(self, 'q_bias'):
            k_bias = torch.zeros_like(self.v_bias)
            bias = torch.cat((self.q_bias, k_bias, self.v_bias))
        qkv = F.linear(x, self.qkv.weight, bias)
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            dropout_p=self.attn_drop.p if self.training else 0.0,
            scale=self.scale,
        )
        return self.proj_drop(self.proj(out.transpose(1, 2).flatten(2)))


def fuse_attention(model: nn.Module) -> None:
    """Let every `Attention` of a model compute as `FusedAttention` does."""
    for module in model.modules():
        if type(module) is Attention:
            module.__class__ = FusedAttention
