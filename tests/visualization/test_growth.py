"""Growth beside the line of a linear one."""

from mmvideomamba.visualization import draw_growth


def test_growth_beside_a_linear_guide():
    curves = {
        'A': [(16, 20.0, 2.0), (8, 10.0, 1.0)],
        'B': [(8, 5.0, 3.0), (32, 80.0, 48.0)],
    }
    time, memory = draw_growth(curves, 'forward (ms)').axes
    for ax, guide in ((time, [10, 40]), (memory, [1, 4])):
        a, b, linear = ax.lines
        assert list(a.get_xdata()) == [8, 16]
        assert linear.get_label() == 'linear'
        assert list(linear.get_xdata()) == [8, 32]
        assert list(linear.get_ydata()) == guide
