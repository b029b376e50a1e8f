"""Position embeddings: values, resizing and the paper's initialisations."""

import math

import pytest
import torch
from torch import nn

from mmvideomamba.models.position import (
    FactorizedPosition,
    LearnablePosition,
    SinusoidPosition,
    build_position_embedding,
    inflate_image_positions,
    resize_positions,
)


def test_sinusoid_values():
    table = SinusoidPosition((1, 2, 2), 4, with_cls_token=True)((1, 2, 2))
    assert table.shape == (1, 5, 4)
    assert table[0, 0].tolist() == [0, 0, 0, 0]
    for position in range(4):
        expected = [
            math.sin(position),
            math.cos(position),
            math.sin(position / 100),
            math.cos(position / 100),
        ]
        torch.testing.assert_close(
            table[0, 1 + position], torch.tensor(expected)
        )


def test_factorized_is_place_plus_time():
    module = FactorizedPosition((2, 1, 3), 1, with_cls_token=True)
    with torch.no_grad():
        module.spatial.copy_(torch.tensor([9.0, 1, 2, 3]).view(1, 4, 1))
        module.temporal.copy_(torch.tensor([10.0, 20]).view(1, 2, 1))
    expected = [9, 11, 12, 13, 21, 22, 23]
    assert module((2, 1, 3)).flatten().tolist() == expected
    doubled = module((4, 1, 3))[0, 1:].view(4, 3)
    # Linear in time, with half a step beyond the ends held constant.
    assert (doubled[:, 0] - 1).tolist() == [10, 12.5, 17.5, 20]


def test_learnable_keeps_the_class_row_when_resized():
    module = LearnablePosition((2, 3, 3), 5, with_cls_token=True)
    assert module((2, 3, 3)) is module.table
    resized = module((3, 4, 5))
    assert resized.shape == (1, 1 + 3 * 4 * 5, 5)
    assert torch.equal(resized[:, 0], module.table[:, 0])
    resized.sum().backward()
    assert module.table.grad.abs().min() > 0


def test_resizing_in_time_is_linear_and_leaves_space_alone():
    table = torch.tensor([[0.0, 1, 2, 3], [10, 11, 12, 13]]).view(1, 8, 1)
    resized = resize_positions(table, (2, 2, 2), (4, 2, 2)).view(4, 4)
    expected = torch.tensor([0.0, 2.5, 7.5, 10])[:, None] + torch.arange(4)
    torch.testing.assert_close(resized, expected)


def test_resizing_in_space_agrees_with_bicubic_images():
    table = torch.randn(1, 16, 3)
    resized = resize_positions(table, (1, 4, 4), (1, 6, 5))
    image = table.view(1, 4, 4, 3).permute(0, 3, 1, 2)
    expected = nn.functional.interpolate(image, (6, 5), mode='bicubic')
    torch.testing.assert_close(
        resized, expected.flatten(2).transpose(1, 2), rtol=0, atol=1e-6
    )


def test_image_positions_become_video_positions_in_the_papers_ways():
    image = torch.tensor([[0.0, 2], [10, 14]])[None]  # 2 places, 2 channels
    expand = inflate_image_positions(image, 2, 'expand')
    assert expand[0].tolist() == [[0, 2], [10, 14], [0, 2], [10, 14]]
    # rows 0 and 10 stretched to 4: 0, 2.5, 7.5, 10
    spatial = inflate_image_positions(image, 2, 'interpolate_spatial')
    assert spatial[0, :, 0].tolist() == [0, 2.5, 7.5, 10]
    assert spatial[0, :, 1].tolist() == [2, 5, 11, 14]
    # channels 0, 2 stretched to 0, .5, 1.5, 2 and cut into two times
    dim = inflate_image_positions(image, 2, 'interpolate_dim')
    assert dim[0].tolist() == [[0, 0.5], [10, 11], [1.5, 2], [13, 14]]
    with pytest.raises(ValueError, match="'random', expected one of"):
        inflate_image_positions(image, 2, 'random')


def test_unknown_kind():
    with pytest.raises(ValueError, match="'learned', expected one of"):
        build_position_embedding('learned', (1, 1, 1), 4, True)
    assert build_position_embedding(None, (1, 1, 1), 4, True) is None
