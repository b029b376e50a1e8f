"""The models that the benchmark compares, as mmaction2 builds them.

The baselines are built as mmaction2's own configs describe them, VideoMamba
with its head, all without pretrained weights: costs do not depend on them.
"""

import os.path as osp
from typing import Dict, NamedTuple, Optional, Tuple

import mmaction
from mmengine.config import Config

from ..models.videomamba import ARCHS

NUM_CLASSES = 400


class BenchmarkedModel(NamedTuple):
    """A model that can be measured.

    Attributes:
        title (str): Its name in tables and figures.
        frames (tuple[int, ...]): Frames of the clips it is compared at.
        videomamba (dict, optional): Arguments of VideoMamba; None for a
            baseline.
        config (str, optional): A baseline's config, below mmaction2's
            `configs/recognition`.
        frames_key (str, optional): The setting of its backbone that says how
            many frames it is built for; None where any number will do.
        fused_attention (bool): Whether `fuse_attention` changes it.
        paper_name (str, optional): Its name in the paper's table of
            Kinetics-400.
    """

    title: str
    frames: Tuple[int, ...]
    videomamba: Optional[dict] = None
    config: Optional[str] = None
    frames_key: Optional[str] = 'num_frames'
    fused_attention: bool = False
    paper_name: Optional[str] = None


_VIT_S = (
    'videomaev2/vit-small-p16_videomaev2-vit-g-dist-k710-pre_16x4x1_'
    'kinetics-400.py'
)
BENCHMARKED_MODELS: Dict[str, BenchmarkedModel] = {
    'videomamba-t': BenchmarkedModel(
        'VideoMamba-Ti', (16,), dict(arch='tiny')
    ),
    'videomamba-s': BenchmarkedModel(
        'VideoMamba-S',
        (16, 32),
        dict(arch='small'),
        paper_name='VideoMamba',
    ),
    'videomamba-s-cp': BenchmarkedModel(
        'VideoMamba-S with_cp', (16, 32, 64), dict(arch='small', with_cp=True)
    ),
    'videomamba-m': BenchmarkedModel(
        'VideoMamba-M', (16,), dict(arch='middle')
    ),
    'videomamba-b': BenchmarkedModel('VideoMamba-B', (16,), dict(arch='base')),
    'swin-t': BenchmarkedModel(
        'VideoSwin-T',
        (32,),
        config='swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_'
        'kinetics400-rgb.py',
        frames_key=None,
        paper_name='VideoSwin-T',
    ),
    'vit-s': BenchmarkedModel(
        'ViT-S (VideoMAE)',
        (16, 32),
        config=_VIT_S,
        paper_name='VideoMAE, ViT-S',
    ),
    'vit-s-fused': BenchmarkedModel(
        'ViT-S, fused attention',
        (16, 32),
        config=_VIT_S,
        fused_attention=True,
    ),
    'mvit-s': BenchmarkedModel(
        'MViT-S',
        (16,),
        config='mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb.py',
        frames_key='temporal_size',
        paper_name='MViT-S',
    ),
    'timesformer': BenchmarkedModel(
        'TimeSformer',
        (8,),
        config='timesformer/timesformer_divST_8xb8-8x32x1-15e_kinetics400-'
        'rgb.py',
    ),
}


def model_config(name: str, frames: int) -> dict:
    """The config of a recognizer for clips of `frames` frames.

    Args:
        name (str): One of `BENCHMARKED_MODELS`.
        frames (int): Frames of a clip.

    Raises:
        FileNotFoundError: mmaction2 was installed without its configs.
    """
    benchmarked = BENCHMARKED_MODELS[name]
    if benchmarked.config is not None:
        model = _baseline_config(benchmarked.config)
    else:
        assert benchmarked.videomamba is not None  # one of the two is given
        arch = ARCHS[benchmarked.videomamba['arch']]
        model = dict(
            type='Recognizer3D',
            backbone=dict(type='VideoMamba', **benchmarked.videomamba),
            cls_head=dict(
                type='VideoMambaHead',
                num_classes=NUM_CLASSES,
                in_channels=arch['embed_dims'],
                average_clips='prob',
            ),
        )
    if benchmarked.frames_key is not None:
        model['backbone'][benchmarked.frames_key] = frames
    return model


def _baseline_config(name: str) -> dict:
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
