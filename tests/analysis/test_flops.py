"""FLOPs: the paper's figures, the complete ones, and models of other kinds."""

import pytest
import torch
from torch import nn

from mmvideomamba.analysis.flops import count_complexity
from mmvideomamba.models import VideoMamba, VideoMambaHead


@pytest.mark.parametrize(
    'arch, num_frames, parameters, paper, complete',
    [
        ('small', 8, 25_932_288, '17.131', '23.787'),
        ('small', 16, 26_233_344, '34.241', '47.544'),
        ('small', 32, 26_835_456, '68.460', '95.058'),
        ('tiny', 16, 7_365_888, '8.791', '14.749'),
    ],
)
def test_the_models_of_the_paper(
    arch, num_frames, parameters, paper, complete
):
    backbone = VideoMamba(arch=arch, num_frames=num_frames)
    head = VideoMambaHead(400, backbone.embed_dims)
    shape = (1, 3, num_frames, 224, 224)
    cost = count_complexity(nn.Sequential(backbone, head), shape)
    assert cost.parameters == parameters + 400 * (backbone.embed_dims + 1)
    assert f'{cost.paper / 1e9:.3f}' == paper
    assert f'{cost.complete / 1e9:.3f}' == complete


def test_a_small_model_by_hand():
    d, D, N, R, W, K = 16, 32, 4, 1, 3, 2
    model = VideoMamba(
        arch=dict(embed_dims=d, num_layers=3, d_state=N, d_conv=W),
        img_size=32,
        num_frames=4,
        cls_token_position=None,
    )
    cost = count_complexity(model, (1, 3, 4, 32, 32))
    L = 2 * 2 * 2
    expected = {
        ('tokenizer.proj', 'addmm'): L * 3 * 2 * 16 * 16 * d,
        ('layers.*.mixer.in_proj', 'mm'): 3 * L * d * 2 * D,
        ('layers.*.mixer', 'mamba_inner'): (
            # Convolution, x_proj, dt_proj and scan.
            3 * K * L * D * (W + (R + 2 * N) + R + (9 * N + 2))
        ),
        ('layers.*.mixer.out_proj', 'mm'): 3 * L * D * d,
    }
    counted = {(r.module, r.operation): r.complete for r in cost.modules}
    assert counted == expected
    seen = [r.paper for r in cost.modules if r.module != 'layers.*.mixer']
    assert cost.paper == sum(seen)
    assert cost.complete == sum(expected.values())


def test_a_model_of_another_kind_and_its_fused_attention():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    model = nn.Sequential(nn.Conv1d(4, 8, 1), nn.BatchNorm1d(8), nn.Flatten())
    cost = count_complexity(model, (2, 4, 10))
    assert cost.paper == cost.complete == 20 * 4 * 8 + 2 * 20 * 8

    L, d = 10, 8
    cost = count_complexity(layer, (1, L, d))
    products = 4 * L * d * d + 2 * L * L * d + 2 * L * d * 16
    assert cost.complete == products + 2 * 5 * L * d


def test_the_model_stays_as_it_is():
    model = VideoMamba(
        arch=dict(embed_dims=16, num_layers=1), img_size=32, num_frames=4
    ).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count_complexity(model, (1, 3, 4, 32, 32))
    assert model.training
    assert not model.tokenizer._forward_hooks
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
