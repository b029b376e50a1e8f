"""Which parts of a clip the feature of a model depends on.

The effective receptive field (Luo et al. 2016, arXiv 1701.04128) over the
token grid: how strongly the pixels of each tubelet move the feature, the
class token's in VideoMamba.
"""

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def token_influence(
    backbone: nn.Module,
    clips: Tensor,
    tubelet: Tuple[int, int, int],
    num_probes: int = 8,
) -> Tensor:
    """Norm of the feature's derivative by the pixels of each tubelet.

    The Frobenius norm of the Jacobian, estimated without forming it: for
    random signs v, the squares of d(v . feature)/d(pixels) have the squares
    of its columns as their mean (Hutchinson's estimator).

    Args:
        backbone (nn.Module): Maps clips to features (N, ...), each clip's
            from itself alone; it should be in evaluation mode.
        clips (Tensor): (N, C, T, H, W) float.
        tubelet (tuple[int, int, int]): (s_t, s_h, s_w), the size of a token
            in frames and pixels.
        num_probes (int): Number of random v, always the same; each is one
            backward pass.

    Returns:
        Tensor: (N, T // s_t, H // s_h, W // s_w) float32.
    """
    clips = clips.detach().requires_grad_()
    with torch.enable_grad():
        features = backbone(clips)
    generator = torch.Generator().manual_seed(0)
    squares = torch.zeros_like(clips)
    for probe in range(num_probes):
        signs = torch.randint(
            0, 2, features.shape, generator=generator, dtype=torch.int8
        )
        (gradient,) = torch.autograd.grad(
            features,
            clips,
            (2 * signs - 1).to(features),
            retain_graph=probe < num_probes - 1,
        )
        squares += gradient.square() / num_probes
    # avg_pool3d leaves out the rest that fills no tubelet, as a tokenizer.
    pixels = clips.shape[1] * torch.Size(tubelet).numel()
    mean = F.avg_pool3d(squares.float().mean(dim=1, keepdim=True), tubelet)
    return (mean * pixels)[:, 0].sqrt()


def context_size(influence: Tensor, share: float = 0.9) -> Tensor:
    """The smallest part of the tokens that holds `share` of the influence.

    Influence is counted in squares, as energy. A model that looks at one
    token has 1 / (T*H*W), one that looks everywhere alike has `share`.

    Args:
        influence (Tensor): (N, T, H, W).
        share (float): Between 0 and 1.

    Returns:
        Tensor: (N,) float32, a fraction of the T*H*W tokens.
    """
    energy = influence.double().flatten(1).square()
    energy = energy.sort(dim=1, descending=True).values.cumsum(dim=1)
    missing = energy < share * energy[:, -1:]
    return ((missing.sum(dim=1) + 1) / energy.shape[1]).float()
