"""Curves over the blocks show the values they are given."""

from mmvideomamba.visualization import draw_block_curves


def test_curves_and_their_control():
    curves = dict(
        trained=[1.0, 1.5, 2.0],
        still=[1.0, 1.2, 1.6],
        untrained=[1.0, 1.1, 0.9],
    )
    controls = dict(still='trained', untrained=None)
    figure = draw_block_curves(curves, 'ratio', controls, reference=1.0)
    (ax,) = figure.axes
    lines = {line.get_label(): line for line in ax.lines}
    for name, values in curves.items():
        assert list(lines[name].get_xdata()) == [0, 1, 2]
        assert list(lines[name].get_ydata()) == values
    assert lines['trained'].get_linestyle() == '-'
    assert lines['untrained'].get_linestyle() != '-'
    assert lines['still'].get_linestyle() != '-'
    assert lines['trained'].get_color() == lines['still'].get_color()
    assert lines['trained'].get_color() != lines['untrained'].get_color()
