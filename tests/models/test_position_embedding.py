"""Position embeddings: their values, on their own and on another grid."""

import math

import pytest
import torch

from mmvideomamba.models.position_embedding import (
    FactorizedPosition,
    LearnablePosition,
    SinusoidPosition,
    build_position_embedding,
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


def test_factorized_is_space_plus_time():
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


def test_unknown_kind():
    with pytest.raises(ValueError, match="'learned', expected one of"):
        build_position_embedding('learned', (1, 1, 1), 4, True)
    assert build_position_embedding(None, (1, 1, 1), 4, True) is None
