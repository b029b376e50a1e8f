"""The video models that the benchmark compares, as mmaction2 runs them.

The peers are built as mmaction2's own configs describe them, VideoMamba with
its head, all without pretrained weights: costs do not depend on them.
"""

import os.path as osp
from typing import Dict, List, NamedTuple, Optional, Tuple

import mmaction
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ..models.videomamba import ARCHS
from ..registry import MODELS
from .fused_attention import fuse_attention

NUM_CLASSES = 400
PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16}


class Family(NamedTuple):
    """A kind of model that can be measured.

    Attributes:
        title (str): Its name in tables and figures.
        frames (tuple[int, ...]): Frames of the clips it is compared at.
        config (str, optional): Its config, below mmaction2's
            `configs/recognition`; None for VideoMamba.
        frames_key (str, optional): The setting of its backbone that says how
            many frames it is built for; None where any number will do.
        table (str, optional): Its name in the paper's table of Kinetics-400.
    """

    title: str
    frames: Tuple[int, ...]
    config: Optional[str] = None
    frames_key: Optional[str] = None
    table: Optional[str] = None


_VIT_S = (
    'videomaev2/vit-small-p16_videomaev2-vit-g-dist-k710-pre_16x4x1_'
    'kinetics-400.py'
)
FAMILIES: Dict[str, Family] = {
    'videomamba-t': Family('VideoMamba-Ti', (16,), None, 'num_frames'),
    'videomamba-s': Family(
        'VideoMamba-S', (16, 32), None, 'num_frames', 'VideoMamba'
    ),
    'videomamba-s-cp': Family(
        'VideoMamba-S with_cp', (16, 32, 64), None, 'num_frames'
    ),
    'videomamba-m': Family('VideoMamba-M', (16,), None, 'num_frames'),
    'videomamba-b': Family('VideoMamba-B', (16,), None, 'num_frames'),
    'swin-t': Family(
        'VideoSwin-T',
        (32,),
        'swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_'
        'kinetics400-rgb.py',
        None,
        'VideoSwin-T',
    ),
    'vit-s': Family(
        'ViT-S (VideoMAE)',
        (16, 32),
        _VIT_S,
        'num_frames',
        'VideoMAE, ViT-S',
    ),
    'vit-s-fused': Family(
        'ViT-S, fused attention', (16, 32), _VIT_S, 'num_frames'
    ),
    'mvit-s': Family(
        'MViT-S',
        (16,),
        'mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb.py',
        'temporal_size',
        'MViT-S',
    ),
    'timesformer': Family(
        'TimeSformer',
        (8,),
        'timesformer/timesformer_divST_8xb8-8x32x1-15e_kinetics400-rgb.py',
        'num_frames',
    ),
}
_SETTINGS = {'videomamba-' + arch[0]: dict(arch=arch) for arch in ARCHS}
_SETTINGS['videomamba-s-cp'] = dict(arch='small', with_cp=True)


def model_config(family: str, frames: int) -> dict:
    """The config of a recognizer for clips of `frames` frames.

    Args:
        family (str): One of `FAMILIES`.
        frames (int): Frames of a clip.

    Raises:
        FileNotFoundError: mmaction2 was installed without its configs.
    """
    if family in _SETTINGS:
        backbone = dict(type='VideoMamba', **_SETTINGS[family])
        dims = ARCHS[backbone['arch']]['embed_dims']
        model = dict(
            type='Recognizer3D',
            backbone=backbone,
            cls_head=dict(
                type='VideoMambaHead',
                num_classes=NUM_CLASSES,
                in_channels=dims,
                average_clips='prob',
            ),
        )
    else:
        model = _peer_config(FAMILIES[family].config)
    key = FAMILIES[family].frames_key
    if key is not None:
        model['backbone'][key] = frames
    return model


def _peer_config(name: str) -> dict:
    folder = osp.join(osp.dirname(mmaction.__file__), '.mim', 'configs')
    path = osp.join(folder, 'recognition', name)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'mmaction2 {mmaction.__version__} has no config {path}; they '
            'come with its wheel (pip install mmaction2), not with an '
            'editable install'
        )
    model = Config.fromfile(path).model.to_dict()
    for part in (model, model['backbone'], model['cls_head']):
        for key in ('pretrained', 'init_cfg'):
            if key in part:
                part[key] = None
    return model


class Workload:
    """A recognizer and a batch of clips, run as mmaction2 runs them.

    Args:
        model (nn.Module): A recognizer of mmaction2.
        clips (Tensor): (B, C, T, H, W), normalised, on the model's device.
    """

    def __init__(self, model: nn.Module, clips: Tensor) -> None:
        self.model = model
        self.clips = clips
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=1e-4, fused=True
        )

    def forward(self, precision: str) -> None:
        """Scores of the clips, as a test computes them."""
        self.model.eval()
        with torch.no_grad(), autocast(precision, self.clips.device):
            self.model(*self._batch(), mode='predict')

    def training(self, precision: str) -> None:
        """Forward, loss, backward and a step of AdamW, as our recipe's."""
        self.model.train()
        with autocast(precision, self.clips.device):
            losses = self.model(*self._batch(), mode='loss')
            loss, _ = self.model.parse_losses(losses)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def held_by_optimizer(self) -> int:
        """Bytes of the optimizer's state."""
        return sum(
            value.nbytes
            for state in self.optimizer.state.values()
            for value in state.values()
        )

    def _batch(self) -> Tuple[Tensor, List[ActionDataSample]]:
        samples = [ActionDataSample().set_gt_label(0) for _ in self.clips]
        return self.clips[:, None], samples


def build_workload(
    family: str, frames: int, batch_size: int, device: str
) -> Workload:
    """Build a model of a family and clips of 224 x 224 for it."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(model_config(family, frames)).to(device)
    if family == 'vit-s-fused':
        fuse_attention(model)
    clips = torch.randn(batch_size, 3, frames, 224, 224, device=device)
    return Workload(model, clips)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of a precision: 'fp32', or bfloat16 autocast."""
    return torch.autocast(
        device.type, PRECISIONS['bf16'], enabled=precision == 'bf16'
    )
