"""The confusion matrix: colours, numbers and names."""

import numpy as np

from mmvideomamba.visualization.confusion import draw_confusion


def test_shares_are_coloured_and_numbers_written():
    matrix = np.array([[3, 1], [0, 2]])
    ax = draw_confusion(matrix, ['run', 'jump']).axes[0]
    (image,) = ax.images
    assert image.get_array().tolist() == [[0.75, 0.25], [0, 1]]
    assert {text.get_text() for text in ax.texts} == {'3', '1', '2'}
    assert [t.get_text() for t in ax.get_yticklabels()] == ['run', 'jump']


def test_many_classes_have_no_names():
    matrix = np.eye(50, dtype=int)
    ax = draw_confusion(matrix, [str(number) for number in range(50)]).axes[0]
    assert not ax.texts
