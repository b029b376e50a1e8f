"""Position tables: resizing, the paper's initialisations, parts and rows."""

import pytest
import torch
from torch import nn

from mmvideomamba.positions import (
    add_space_and_time,
    cls_row_from_front,
    cls_row_to_front,
    inflate_image_positions,
    resize_positions,
    split_space_and_time,
)


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
    image = torch.tensor([[0.0, 2], [10, 14]])[None]  # 2 patches, 2 channels
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


def test_a_sum_of_space_and_time_is_split_into_its_parts():
    spatial, temporal = torch.randn(1, 6, 3), torch.randn(1, 4, 3)
    temporal -= temporal.mean(dim=1, keepdim=True)
    table = add_space_and_time(spatial, temporal)
    assert table.shape == (1, 4 * 6, 3)
    torch.testing.assert_close(
        table[0, 6 * 2 + 5], spatial[0, 5] + temporal[0, 2]
    )
    for part, expected in zip(
        split_space_and_time(table, 4), (spatial, temporal)
    ):
        torch.testing.assert_close(part, expected)
    with_cls = add_space_and_time(spatial, temporal, num_extra=1)
    assert torch.equal(with_cls[:, 0], spatial[:, 0])
    assert torch.equal(
        with_cls[:, 1:], add_space_and_time(spatial[:, 1:], temporal)
    )


@pytest.mark.parametrize(
    'position, by_scan',
    [('head', [9, 1, 2, 3, 4]), ('middle', [1, 2, 9, 3, 4])],
)
def test_the_class_tokens_row_comes_to_the_front(position, by_scan):
    table = torch.tensor(by_scan).view(1, 5, 1)
    front = cls_row_to_front(table, position)
    assert front.flatten().tolist() == [9, 1, 2, 3, 4]
    assert torch.equal(cls_row_from_front(front, position), table)
