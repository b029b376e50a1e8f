"""Scan orders against permutations written by hand."""

import pytest
import torch

from mmvideomamba.models import ScanOrder, build_scan_order, sequence_orders
from mmvideomamba.registry import SCAN_ORDERS

# On a grid of 2 frames of 2 rows and 3 columns:
#     frame 0: 0 1 2     frame 1: 6  7  8
#              3 4 5              9 10 11
BY_HAND = {
    'SpatioTemporalForward': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    'SpatioTemporalReversal': [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    'SpatialReversal': [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6],
    'TemporalReversal': [6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5],
    'TemporalFirstForward': [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11],
    'TemporalFirstReversal': [11, 5, 10, 4, 9, 3, 8, 2, 7, 1, 6, 0],
    'ZigzagForward': [0, 1, 2, 5, 4, 3, 9, 10, 11, 8, 7, 6],
    'ZigzagReversal': [6, 7, 8, 11, 10, 9, 3, 4, 5, 2, 1, 0],
}


def test_every_registered_order_has_its_permutation_written_down():
    assert set(SCAN_ORDERS.module_dict) == set(BY_HAND)


@pytest.mark.parametrize('name', BY_HAND)
def test_permutation(name):
    order = build_scan_order(dict(type=name))
    assert order.permutation((2, 2, 3)).tolist() == BY_HAND[name]


@pytest.mark.parametrize('grid', [(3, 3, 3), (1, 4, 2), (4, 1, 1), (2, 3, 4)])
def test_zigzag_moves_to_neighbours_only(grid):
    order = build_scan_order(dict(type='ZigzagForward')).permutation(grid)
    cells = torch.stack(torch.unravel_index(order, grid))
    assert (cells.diff(dim=1).abs().sum(0) == 1).all()


PAIR = ['SpatioTemporalForward', 'SpatialReversal']


@pytest.mark.parametrize(
    'position, forward, reverse',
    [
        # In memory the class token is token 0 and the patches follow.
        (None, [0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3]),
        ('head', [0, 1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4, 0]),
        ('middle', [1, 2, 3, 0, 4, 5, 6], [3, 2, 1, 0, 6, 5, 4]),
    ],
)
def test_reverse_scans_mirror_the_class_token(position, forward, reverse):
    orders = [build_scan_order(dict(type=name)) for name in PAIR]
    order = sequence_orders(orders, (2, 1, 3), position)
    assert order.tolist() == [forward, reverse]


def test_middle_of_an_odd_number_of_patches_is_mirrored():
    orders = [
        build_scan_order(dict(type=name))
        for name in ('SpatioTemporalForward', 'SpatioTemporalReversal')
    ]
    forward, reverse = sequence_orders(orders, (1, 1, 3), 'middle').tolist()
    assert forward == [1, 0, 2, 3]
    assert reverse == forward[::-1]


def test_an_order_that_is_no_permutation_is_refused():
    class Stuck(ScanOrder):
        def arrange(self, tokens):
            return tokens * 0

    with pytest.raises(ValueError, match='6 steps over 1 different tokens'):
        Stuck().permutation((1, 2, 3))


def test_an_unknown_order_lists_the_known_ones():
    with pytest.raises(ValueError, match="'Spiral', expected one of 'Spatial"):
        build_scan_order(dict(type='Spiral'))
    with pytest.raises(ValueError, match="got 'Spiral'"):
        build_scan_order('Spiral')
