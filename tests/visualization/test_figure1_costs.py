"""Figure 1: bubbles have the places and sizes they are given."""

from mmvideomamba.visualization import draw_costs


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
