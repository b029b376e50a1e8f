"""On the meta device every backend gives shapes and nothing else."""

import torch

from mmvideomamba.models import VideoMamba
from mmvideomamba.ops import SCAN_BACKENDS


def test_every_backend_gives_the_shapes_of_a_forward_and_a_backward():
    for backend in SCAN_BACKENDS:
        model = VideoMamba(
            arch=dict(embed_dims=16, num_layers=2),
            img_size=32,
            num_frames=4,
            scan_backend=backend,
        ).to('meta')
        out = model(torch.empty(3, 3, 4, 32, 32, device='meta'))
        assert out.shape == (3, 16)
        out.sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.shape == parameter.shape, name
