"""The curve shows the log's numbers at the right epochs."""

import pytest

from mmvideomamba.visualization import draw_training_curve


def logged_steps(epochs, length=10):
    steps = range(1, epochs * length + 1)
    return [dict(loss=2 - s / 100, step=s, epochs=s / length) for s in steps]


def test_steps_and_validations_share_the_epochs():
    val = [{'acc/top1': 0.25, 'step': 1}, {'acc/top1': 0.5, 'step': 2}]
    loss, accuracy = draw_training_curve(logged_steps(2), val).axes
    raw = loss.lines[0]
    assert raw.get_xdata()[9] == pytest.approx(1)
    assert raw.get_xdata()[-1] == pytest.approx(2)
    assert list(raw.get_ydata()) == [r['loss'] for r in logged_steps(2)]
    (line,) = accuracy.lines
    assert list(line.get_xdata()) == [1, 2]
    assert list(line.get_ydata()) == [25, 50]
    assert line.get_label() == 'top-1, best 50.0'


def test_several_labels_have_a_mean_average_precision():
    metric = 'acc/mean_average_precision'
    val = [{metric: 0.25, 'step': 1}, {metric: 0.5, 'step': 2}]
    _, axes = draw_training_curve(logged_steps(2), val).axes
    (line,) = axes.lines
    assert list(line.get_ydata()) == [25, 50]
    assert line.get_label() == 'mAP, best 50.0'
    assert axes.get_ylabel() == 'validation mAP (%)'


def test_a_training_without_validation_can_be_drawn():
    _, accuracy = draw_training_curve(logged_steps(1), []).axes
    assert not accuracy.lines
    assert accuracy.texts[0].get_text() == 'no validation yet'


def test_a_training_by_iterations_is_drawn_over_them():
    train = [dict(loss=1.0, step=step) for step in (20, 40, 60)]
    val = [{'acc/top1': 0.25, 'step': 40}]
    loss, accuracy = draw_training_curve(train, val).axes
    assert list(loss.lines[0].get_xdata()) == [20, 40, 60]
    assert list(accuracy.lines[0].get_xdata()) == [40]
    for ax in (loss, accuracy):
        assert ax.get_xlabel() == 'iteration' and ax.get_xlim() == (0, 60)


def test_a_loss_that_is_not_finite_is_said():
    train = logged_steps(4)
    train[2]['loss'] = float('nan')
    train[3]['loss'] = float('inf')
    val = [{'acc/top1': 0.5, 'step': 1}, {'acc/top1': float('nan'), 'step': 2}]
    figure = draw_training_curve(train, val)
    loss, accuracy = figure.axes
    (note,) = loss.texts
    assert note.get_text() == f'not finite, first at {train[2]["epochs"]:.4g}'
    assert accuracy.lines[0].get_label() == 'top-1, best 50.0'
    figure.canvas.draw()
