"""VideoMamba: Spatio-Temporal Selective State Space Model.

Park, Kim, Ko, Kim and Kim (KAIST), ECCV 2024. A clip becomes tokens on a
(time, height, width) grid; every block mixes them along several scan orders.
Figure 2a of the paper, top to bottom.
"""

import math
from typing import Any, Optional, Sequence, Tuple, Union

import torch
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..checkpoints import (
    fit_loaded_backbone,
    intercept_pretrained,
    load_backbone,
    record_settings,
    settings_of,
)
from ..checks import require_choice
from ..ops import SCAN_BACKENDS, add_branch
from ..positions import POS_EMBED_INITS, Grid
from ..registry import MODELS
from .draws import SampleDropout, draw_paths, sample_draws
from .mixer import SpatioTemporalSSM
from .norm import RMSNorm
from .position_embedding import build_position_embedding
from .scan_orders import build_scan_order, sequence_orders
from .tokenizer import VideoTokenizer

ARCHS = {
    'nano': dict(embed_dims=96, num_layers=4),
    'tiny': dict(embed_dims=192, num_layers=24),
    'small': dict(embed_dims=384, num_layers=24),
    'middle': dict(embed_dims=576, num_layers=32),
    'base': dict(embed_dims=768, num_layers=24),
}
ARCH_DEFAULTS = dict(d_state=16, d_conv=4, expand=2)
OUT_TYPES = ('cls_token', 'avg_featmap', 'featmap', 'raw')
CLS_TOKEN_POSITIONS = ('head', 'middle', None)


class VideoMambaBlock(BaseModule):
    """x + drop_path(mixer(norm(x))), the residual stream in float32.

    Args:
        mixer (nn.Module): Maps (B, L, C) and the orders to (B, L, C).
        embed_dims (int): C.
        drop_path (float): Probability of skipping the mixer, per sample.
        norm_cfg (dict): Config of the norm.
    """

    def __init__(
        self,
        mixer: nn.Module,
        embed_dims: int,
        drop_path: float,
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.mixer = mixer
        self.drop_path = DropPath(drop_path)

    def forward(
        self, x: Tensor, order: Tensor, kept: Optional[Tensor] = None
    ) -> Tensor:
        """Mix the tokens.

        Args:
            x (Tensor): (N, L, C).
            order (Tensor): (K, L) int64, of the directions.
            kept (Tensor, optional): (N, 1, 1), what drop path multiplies the
                branch with. None: drawn here.

        Returns:
            Tensor: (N, L, C).
        """
        if kept is None:
            kept = self.drop_path(x.new_ones(x.shape[0], 1, 1))
        # One pass over the tokens, instead of dropping and then adding.
        return add_branch(x, self.mixer(self.norm(x), order), kept)


@MODELS.register_module()
class VideoMamba(BaseModule):
    """Backbone: a video becomes tokens, scanned in several orders.

    Args:
        arch (str | dict): 'nano' (96 channels x 4 blocks, for small clips),
            'tiny' (192 x 24), 'small' (384 x 24, the paper's), 'middle'
            (576 x 32), 'base' (768 x 24), or a dict with `embed_dims` and
            `num_layers` and, optionally, `d_state`, `d_conv` and `expand`.
        img_size (int | tuple[int, int]): Height and width of the clips that
            the position embedding is made for; for others it is resized.
        patch_size (int): Height and width of a tubelet, s_h = s_w, in
            pixels.
        num_frames (int): Frames of the clips that the position embedding is
            made for.
        tubelet_size (int): Frames of a tubelet, s_t.
        in_channels (int): Channels of the clip.
        scan_orders (Sequence[dict]): One registered `ScanOrder` for each
            direction of the scan.
        merge (str): 'sum' or 'mean' of the directions.
        pos_embed (str, optional): The position embedding: 'learnable',
            'sinusoid', 'factorized' (space plus time, OpenGVLab's) or None.
        pos_embed_init (str): How it is made when the weights of an image
            model are loaded: 'expand', 'interpolate_spatial',
            'interpolate_dim' or 'random' (section 4.2).
        cls_token_position (str, optional): Where the scan meets the class
            token: 'head', 'middle', or None for a model without one.
        out_type (str): What `forward` returns:

            - 'cls_token': (N, C); without a class token the mean of the
              tokens, as for table 2 of the paper.
            - 'avg_featmap': (N, C), the mean of the patches.
            - 'featmap': (N, C, T, H, W), the patches on their grid,
              contiguous.
            - 'raw': (N, L, C), class token first, then the patches.
        norm_cfg (dict): Config of the norms.
        drop_rate (float): Dropout after the position embedding.
        drop_path_rate (float): Stochastic depth of the last block; earlier
            blocks rise to it linearly from 0.
        frozen_stages (int): -1 trains everything, 0 freezes tokenizer,
            positions and class token, i also the first i blocks; with all
            blocks the last norm is frozen too, and nothing is trained.
        with_cp (bool): Recompute blocks in backward to save memory.
        scan_backend (str): 'auto', 'cpu', 'triton', 'mamba_ssm' or
            'reference', see docs/scan_backends.md.
        init_cfg (dict | list[dict], optional): As in mmengine.
            `type='Pretrained'` also takes the public checkpoints of Vim and
            OpenGVLab's VideoMamba, see docs/checkpoints.md.

    Raises:
        ValueError: An argument has a value that is not supported.
    """

    def __init__(
        self,
        arch: Union[str, dict] = 'small',
        img_size: Union[int, Tuple[int, int]] = 224,
        patch_size: int = 16,
        num_frames: int = 16,
        tubelet_size: int = 2,
        in_channels: int = 3,
        scan_orders: Sequence[dict] = (
            dict(type='SpatioTemporalForward'),
            dict(type='SpatioTemporalReversal'),
        ),
        merge: str = 'sum',
        pos_embed: Optional[str] = 'learnable',
        pos_embed_init: str = 'expand',
        cls_token_position: Optional[str] = 'head',
        out_type: str = 'cls_token',
        norm_cfg: dict = dict(type='RMSNorm', eps=1e-5),
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        frozen_stages: int = -1,
        with_cp: bool = False,
        scan_backend: str = 'auto',
        init_cfg: Optional[Union[dict, Sequence[dict]]] = None,
    ) -> None:
        super().__init__(init_cfg)
        require_choice('out_type', out_type, OUT_TYPES)
        require_choice(
            'cls_token_position', cls_token_position, CLS_TOKEN_POSITIONS
        )
        require_choice('pos_embed_init', pos_embed_init, POS_EMBED_INITS)
        require_choice('scan_backend', scan_backend, SCAN_BACKENDS)
        arch = _resolve_arch(arch)
        height, width = _resolve_img_size(img_size, patch_size)
        if not -1 <= frozen_stages <= arch['num_layers']:
            raise ValueError(
                'frozen_stages must lie between -1 and the '
                f'{arch["num_layers"]} blocks, got {frozen_stages}'
            )
        if not 0 <= drop_path_rate < 1:
            raise ValueError(
                f'drop_path_rate must lie in [0, 1), got {drop_path_rate}'
            )
        if not scan_orders:
            raise ValueError('scan_orders must name at least one direction')

        self.embed_dims = arch['embed_dims']
        self.num_layers = arch['num_layers']
        self.merge = merge
        self.pos_embed_init = pos_embed_init
        self.cls_token_position = cls_token_position
        self.out_type = out_type
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp

        self.tokenizer = VideoTokenizer(
            in_channels, self.embed_dims, tubelet_size, patch_size
        )
        self.grid = self.tokenizer.grid((num_frames, height, width))
        self.pos_embed = build_position_embedding(
            pos_embed,
            self.grid,
            self.embed_dims,
            cls_token_position is not None,
        )
        if cls_token_position is not None:
            self.cls_token = nn.Parameter(torch.empty(1, 1, self.embed_dims))
            nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.drop_after_pos = SampleDropout(drop_rate, 'positions')

        self.scan_orders = [build_scan_order(cfg) for cfg in scan_orders]
        self.register_buffer(
            'order', self.make_order(self.grid), persistent=False
        )
        self._last_order: Optional[Tuple[tuple, Tensor]] = None
        drop_path = torch.linspace(0, drop_path_rate, self.num_layers)
        self.layers = ModuleList(
            VideoMambaBlock(
                SpatioTemporalSSM(
                    self.embed_dims,
                    num_directions=len(self.scan_orders),
                    d_state=arch['d_state'],
                    d_conv=arch['d_conv'],
                    expand=arch['expand'],
                    merge=merge,
                    scan_backend=scan_backend,
                ),
                self.embed_dims,
                drop_path[i].item(),
                norm_cfg,
            )
            for i in range(self.num_layers)
        )
        with torch.no_grad():
            for layer in self.layers:
                layer.mixer.out_proj.weight /= math.sqrt(self.num_layers)
        self.norm = build_norm_layer(norm_cfg, self.embed_dims)[1]
        for module in self.modules():
            if isinstance(module, RMSNorm):
                module.backend = scan_backend
        # What no weight shows, for the checkpoints.
        self.settings = settings_of(self)
        self._freeze()

    def make_order(self, grid: Grid) -> Tensor:
        """The scan orders of all directions over `grid`, (K, L) int64."""
        return sequence_orders(self.scan_orders, grid, self.cls_token_position)

    def forward(self, x: Tensor) -> Tensor:
        """Extract features from clips.

        Args:
            x (Tensor): (N, C, T, H, W).

        Returns:
            Tensor: As `out_type` says.
        """
        x, grid = self.tokenizer(x)
        if self.cls_token_position is not None:
            x = torch.cat(
                [self.cls_token.expand(x.shape[0], -1, -1), x], dim=1
            )
        if self.pos_embed is not None:
            x = x + self.pos_embed(grid)
        x = self.drop_after_pos(x)
        # Under mixed precision the residual stream stays float32.
        x = x.to(self.tokenizer.proj.weight.dtype)

        order = self._order_over(grid)
        for layer, kept in zip(self.layers, self._draw_paths(x)):
            if self.with_cp and self.training:
                x = checkpoint(layer, x, order, kept, use_reentrant=False)
            else:
                x = layer(x, order, kept)
        return self._format_output(self.norm(x).to(x.dtype), grid)

    def _order_over(self, grid: Grid) -> Tensor:
        """`make_order` on the model's device.

        Clips of another size than the configured one mostly come one after
        the other, so the last order is kept: to make it takes the host, and a
        copy to the GPU, which no CUDA graph can hold.
        """
        if grid == self.grid:
            return self.order
        wanted = grid, self.order.device
        if self._last_order is not None and self._last_order[0] == wanted:
            return self._last_order[1]
        # What inference mode makes could not be used in training.
        with torch.inference_mode(False):
            order = self.make_order(grid).to(self.order.device)
        # Compilers and fake modes hand out tensors of their own.
        if type(order) is Tensor and not torch.compiler.is_compiling():
            self._last_order = wanted, order
        return order

    def _draw_paths(self, x: Tensor) -> Sequence[Optional[Tensor]]:
        """What each block is called with as `kept`."""
        rates = [
            layer.drop_path.drop_prob if layer.drop_path.training else 0.0
            for layer in self.layers
        ]
        if not sample_draws.active or not any(rates):
            return [None] * len(rates)
        return draw_paths(x.detach(), rates).unbind()

    def _format_output(self, x: Tensor, grid: Grid) -> Tensor:
        if self.out_type == 'raw':
            return x
        if self.cls_token_position is None:
            patches = x
        elif self.out_type == 'cls_token':
            return x[:, 0]
        else:
            patches = x[:, 1:]
        if self.out_type == 'featmap':
            # Some heads `view` it.
            return patches.transpose(1, 2).contiguous().unflatten(2, grid)
        return patches.mean(dim=1)

    def init_weights(self) -> None:
        """Initialise as `init_cfg` says; it may name a public checkpoint."""
        with intercept_pretrained(self, load_backbone):
            super().init_weights()

    def _save_to_state_dict(
        self, destination: dict, prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        record_settings(destination, prefix, self.settings)

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, metadata: dict, *args: Any
    ) -> None:
        fit_loaded_backbone(self, state_dict, prefix, metadata)
        super()._load_from_state_dict(state_dict, prefix, metadata, *args)

    def train(self, mode: bool = True) -> 'VideoMamba':
        """Set the mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        self._freeze()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        self.drop_after_pos.eval()
        frozen = [self.tokenizer, *self.layers[: self.frozen_stages]]
        if self.pos_embed is not None:
            frozen.append(self.pos_embed)
        if self.frozen_stages == self.num_layers:
            frozen.append(self.norm)
        for module in frozen:
            module.eval().requires_grad_(False)
        if self.cls_token_position is not None:
            self.cls_token.requires_grad_(False)


def _resolve_arch(arch: Union[str, dict]) -> dict:
    if isinstance(arch, str):
        require_choice('arch', arch, ARCHS)
        arch = ARCHS[arch]
    missing = {'embed_dims', 'num_layers'} - set(arch)
    unknown = set(arch) - {'embed_dims', 'num_layers', *ARCH_DEFAULTS}
    if missing or unknown:
        raise ValueError(
            'arch needs embed_dims and num_layers and may set '
            f'{", ".join(ARCH_DEFAULTS)}; missing {sorted(missing)}, '
            f'unknown {sorted(unknown)}'
        )
    return {**ARCH_DEFAULTS, **arch}


def _resolve_img_size(
    img_size: Union[int, Tuple[int, int]], patch_size: int
) -> Tuple[int, int]:
    size = (img_size, img_size) if isinstance(img_size, int) else img_size
    if len(size) != 2 or any(side % patch_size for side in size):
        raise ValueError(
            'img_size must be one or two numbers divisible by patch_size '
            f'{patch_size}, got {img_size}'
        )
    return size[0], size[1]
