"""The matrix products of VideoMamba and nothing else: its roofline."""

import torch
from torch import Tensor, nn

from ..models import SpatioTemporalSSM, VideoMamba
from ..ops import scan_inputs


class MatrixProducts(nn.Module):
    """The tokenizer's and every mixer's products, at the model's shapes.

    One pass multiplies what a forward pass of the model multiplies
    (tokenizer, in_proj, x_proj, dt_proj, out_proj), with the model's own
    weights, and leaves out what lies between: norms, residuals, convolution,
    scan, gate. No scan backend can make the model faster than this.

    Args:
        backbone (VideoMamba): Whose products; its parameters are shared.
        clips (Tensor): (B, C, T, H, W), what it is given.
    """

    tokens: Tensor
    u: Tensor
    y: Tensor

    def __init__(self, backbone: VideoMamba, clips: Tensor) -> None:
        super().__init__()
        self.tokenizer = backbone.tokenizer
        self.mixers = nn.ModuleList(layer.mixer for layer in backbone.layers)
        mixer = backbone.layers[0].mixer
        K, D, _ = mixer.dt_proj.shape
        T, H, W = self.tokenizer.grid(clips.shape[2:])
        batch = len(clips)
        length = T * H * W + (backbone.cls_token_position is not None)
        shapes = dict(
            tokens=(batch, length, backbone.embed_dims),
            u=(K, batch, length, D),
            y=(batch, length, D),
        )
        for name, shape in shapes.items():
            self.register_buffer(name, torch.randn(shape, device=clips.device))

    def forward(self, clips: Tensor) -> None:
        """Multiply; the products are thrown away."""
        self.tokenizer(clips)
        for mixer in self.mixers:
            assert isinstance(mixer, SpatioTemporalSSM)
            mixer.in_proj(self.tokens)
            scan_inputs(self.u, mixer.x_proj, mixer.dt_proj)
            mixer.out_proj(self.y)
