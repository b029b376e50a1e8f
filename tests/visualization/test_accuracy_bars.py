"""Bars have the lengths of the accuracies."""

import pytest

from mmvideomamba.visualization import draw_accuracies


def test_bars_errors_and_chance():
    accuracies = dict(sequential=0.75, interleaved=0.25)
    spreads = dict(sequential=0.02, interleaved=0.01)
    (ax,) = draw_accuracies(accuracies, spreads, chance=0.125).axes
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([75, 25])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(accuracies)
    assert {text.get_text() for text in ax.texts} == {
        '75.0',
        '25.0',
        'chance',
    }
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(12.5)
