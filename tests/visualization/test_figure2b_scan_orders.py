"""Figure 2b: any registered order draws itself, and nothing else changes."""

import matplotlib
import pytest
import torch

from mmvideomamba.models import ScanOrder, sequence_orders
from mmvideomamba.registry import SCAN_ORDERS
from mmvideomamba.visualization import draw_scan_orders, save_figure

GRID = (2, 2, 3)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_title()]


def drawn_order(ax):
    """The points of the numbered marks, in the order of their numbers."""
    marks = [text for text in ax.texts if text.get_text().isdigit()]
    marks.sort(key=lambda text: int(text.get_text()))
    return [text.get_position() for text in marks]


def look():
    # The backend is found out at the first look, by whoever comes first.
    return {k: v for k, v in matplotlib.rcParams.items() if k != 'backend'}


def test_every_registered_order_has_a_panel():
    orders = {name: cls() for name, cls in SCAN_ORDERS.module_dict.items()}
    permutations = sequence_orders(list(orders.values()), GRID, 'head')
    figure = draw_scan_orders(dict(zip(orders, permutations)), GRID)
    assert [ax.get_title() for ax in panels(figure)] == list(orders)
    assert all(len(drawn_order(ax)) == 13 for ax in panels(figure))


def test_the_drawing_follows_the_permutation():
    class ColumnFirst(ScanOrder):
        def arrange(self, tokens):
            return tokens.transpose(1, 2)

    orders = {
        'forward': torch.arange(12),
        'column first': ColumnFirst().permutation(GRID),
    }
    forward, column = panels(draw_scan_orders(orders, GRID))
    points = drawn_order(forward)
    tokens = orders['column first'].tolist()
    assert drawn_order(column) == [points[token] for token in tokens]


@pytest.mark.parametrize('position', ['head', 'middle'])
def test_the_class_token_is_beside_the_grid(position):
    orders = [cls() for cls in SCAN_ORDERS.module_dict.values()]
    permutations = sequence_orders(orders, GRID, position)
    figure = draw_scan_orders(
        {str(i): order for i, order in enumerate(permutations)}, GRID
    )
    for ax in panels(figure):
        assert len(set(drawn_order(ax))) == 13


def test_an_order_over_another_grid_is_refused():
    with pytest.raises(ValueError, match='expected 12 steps.*got 8'):
        draw_scan_orders({'short': torch.arange(8)}, GRID)


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = look()
    figure = draw_scan_orders({'forward': torch.arange(12)}, GRID)
    pdf, png = save_figure(figure, tmp_path / 'new' / 'orders.v1')
    assert look() == before
    assert pdf.read_bytes().startswith(b'%PDF')
    assert png.read_bytes().startswith(b'\x89PNG')
    assert png.name == 'orders.v1.png'
