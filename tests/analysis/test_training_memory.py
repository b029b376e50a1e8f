"""Bytes that a training holds, against sums by hand."""

import torch
from torch import nn

from mmvideomamba.analysis.training_memory import count_training_memory
from mmvideomamba.models import VideoMamba


def test_each_tensor_counts_once():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    model[0].bias.requires_grad = False
    memory = count_training_memory(model, (3, 4))
    # The input, and ReLU's output, which two layers keep.
    assert memory.kept == 3 * (4 + 8) * 4
    assert memory.states == (4 * 8 + 8 * 2 + 2) * 16 + 8 * 4
    assert model[0].weight.device == torch.device('cpu')


def test_of_a_clip_grows_with_its_frames_and_with_cp_spares_the_blocks():
    def kept(frames, with_cp):
        model = VideoMamba(
            arch=dict(embed_dims=16, num_layers=4),
            img_size=32,
            num_frames=frames,
            cls_token_position=None,
            out_type='avg_featmap',
            with_cp=with_cp,
        )
        return count_training_memory(model, (1, 3, frames, 32, 32)).kept

    for with_cp in (False, True):
        short, middle, long = (kept(t, with_cp) for t in (8, 16, 32))
        assert long - middle == 2 * (middle - short) > 0
    assert kept(8, True) < kept(8, False) / 2
