"""The figures of the benchmark say what they were given."""

from mmvideomamba.visualization import draw_costs, draw_growth


def model(name, group, time, parameters, published=None):
    return dict(
        name=name,
        group=group,
        time=time,
        memory=2 * time,
        parameters=parameters,
        published=published,
    )


def test_a_bubble_for_each_model():
    models = [
        model('A 16f', 'A', 100, 26e6, 76.1),
        model('A 32f', 'A', 210, 27e6),
        model('B', 'B', 900, 104e6),
    ]
    figure = draw_costs(models, 'forward (ms)', '* published')
    (ax,) = figure.axes
    drawn = [c for c in ax.collections if len(c.get_offsets())]
    places = {tuple(c.get_offsets()[0]): c.get_sizes()[0] for c in drawn}
    assert set(places) == {(100, 200), (210, 420), (900, 1800)}
    # Areas are in proportion to the parameters.
    assert places[900, 1800] == 4 * places[100, 200]
    labels = [text.get_text() for text in ax.texts]
    assert sorted(labels) == ['A 16f\n76.1*', 'A 32f', 'B']
    colors = [tuple(c.get_facecolor()[0]) for c in drawn]
    assert len(set(colors)) == 2


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
