"""A clip becomes tokens on a grid (the paper, section 4.1)."""

from typing import Sequence, Tuple

from torch import Tensor, nn
from torch.nn import functional as F

from ..positions import Grid


class TubeletProjection(nn.Conv3d):
    """A 3D convolution whose stride is its kernel, as one matrix product.

    PyTorch's convolution kernels are slower at it, above all in bfloat16.
    From (N, C, T, H, W) to (N, C', T', H', W'), as any `nn.Conv3d`; in memory
    the channels come last, where the product writes them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        tubelet: Tuple[int, int, int],
    ) -> None:
        super().__init__(in_channels, out_channels, tubelet, stride=tubelet)

    def forward(self, clip: Tensor) -> Tensor:
        for axis, size in enumerate(self.kernel_size, start=2):
            clip = clip.unfold(axis, size, size)
        tubelets = clip.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4)
        tokens = F.linear(tubelets, self.weight.flatten(1), self.bias)
        return tokens.movedim(-1, 1)


class VideoTokenizer(nn.Module):
    """Cut a clip into tubelets and embed each with one linear map.

    Args:
        in_channels (int): Channels of the clip.
        embed_dims (int): Channels of a token.
        tubelet_size (int): Frames of a tubelet, s_t.
        patch_size (int): Height and width of a tubelet, s_h = s_w, in pixels.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        tubelet_size: int,
        patch_size: int,
    ) -> None:
        super().__init__()
        self.tubelet = (tubelet_size, patch_size, patch_size)
        self.proj = TubeletProjection(in_channels, embed_dims, self.tubelet)
        fan_in = self.proj.weight[0].numel()
        nn.init.trunc_normal_(self.proj.weight, std=fan_in**-0.5)
        assert self.proj.bias is not None  # a convolution's default
        nn.init.zeros_(self.proj.bias)

    def grid(self, size: Sequence[int]) -> Grid:
        """Tokens along (time, height, width) of a clip of (T, H, W) pixels.

        An incomplete tubelet at the end is dropped, as in the paper:
        n_t = floor(T / s_t), and so on.

        Raises:
            ValueError: The clip is smaller than one tubelet.
        """
        if any(s < t for s, t in zip(size, self.tubelet)):
            raise ValueError(
                'a clip must hold at least one tubelet of (frames, height, '
                f'width) = {self.tubelet}, got a clip of {tuple(size)}'
            )
        (t, h, w), (s_t, s_h, s_w) = size, self.tubelet
        return t // s_t, h // s_h, w // s_w

    def forward(self, clip: Tensor) -> Tuple[Tensor, Grid]:
        """Tokenize a clip.

        Args:
            clip (Tensor): (N, C, T, H, W).

        Returns:
            tuple: Tokens (N, T'H'W', C') in raster order, and (T', H', W').
        """
        if clip.ndim != 5 or clip.shape[1] != self.proj.in_channels:
            raise ValueError(
                'expected clips of shape (N, C, T, H, W) with C = '
                f'{self.proj.in_channels}, got {tuple(clip.shape)}. In a '
                "config this takes model.type='Recognizer3D', "
                "FormatShape(input_format='NCTHW') in the pipelines and "
                "data_preprocessor.format_shape='NCTHW'"
            )
        grid = self.grid(clip.shape[2:])
        # No copy: it undoes the order of axes that `proj` gives its output.
        return self.proj(clip).flatten(2).transpose(1, 2), grid
