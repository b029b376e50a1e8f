"""What is wrong by class and by video, of a model whose answers are known."""

import copy

import numpy as np
import pytest
from mmengine.config import Config
from small_models import small_recognizer
from video_files import write_frames

from mmvideomamba.analysis.evaluation import evaluate
from mmvideomamba.analysis.mistakes import (
    Classified,
    Mistake,
    class_table,
    classify_test_set,
    confusion_matrix,
    find_mistakes,
    make_classified,
    mistake_table,
    read_classified,
)
from mmvideomamba.apis import init_model, recognize

SCORES = np.array(
    [
        [0.7, 0.2, 0.1],  # a
        [0.3, 0.6, 0.1],  # a, taken for b
        [0.0, 0.9, 0.1],  # b
        [0.9, 0.0, 0.1],  # b, taken for a
        [0.5, 0.4, 0.1],  # b, taken for a
    ]
)
KNOWN = Classified(
    ['a', 'b', 'c'],
    [f'{number}.mp4' for number in range(5)],
    np.array([0, 0, 1, 1, 1]),
    SCORES,
)


def test_confusions_are_counted():
    assert confusion_matrix(KNOWN).tolist() == [
        [1, 1, 0],
        [2, 1, 0],
        [0, 0, 0],
    ]


def test_the_surest_mistakes_come_first():
    mistakes = find_mistakes(KNOWN)
    assert mistakes == [
        Mistake('3.mp4', 'b', 0.0, 'a', 0.9),
        Mistake('1.mp4', 'a', 0.3, 'b', 0.6),
        Mistake('4.mp4', 'b', 0.4, 'a', 0.5),
    ]
    assert mistake_table(mistakes).splitlines()[2] == (
        '| 3.mp4 |   b |  0.0 |         a | 90.0 |'
    )


def test_the_worst_classes_come_first():
    _, _, *rows = class_table(KNOWN).splitlines()
    assert [list(map(str.strip, row.split('|')[1:-1])) for row in rows] == [
        ['b', '3', '33.3', 'a (2)'],
        ['a', '2', '50.0', 'b (1)'],
    ]


@pytest.fixture
def config(tmp_path):
    for number in range(3):
        times = range(0, 80 * (number + 4), 40)
        write_frames(tmp_path / f'{number}.mp4', times)
    (tmp_path / 'list.txt').write_text('0.mp4 1\n1.mp4 0\n2.mp4 1\n')
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, num_clips=1, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    return Config(
        dict(
            model=small_recognizer(num_classes=2),
            test_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='CheckedVideoDataset',
                    ann_file=str(tmp_path / 'list.txt'),
                    data_prefix=dict(video=str(tmp_path)),
                    metainfo=dict(classes=('still', 'moving')),
                    pipeline=pipeline,
                    test_mode=True,
                ),
            ),
            test_evaluator=dict(type='AccMetric'),
        )
    )


def test_a_test_set_is_classified_as_its_videos_are(config):
    model = init_model(config)
    found = classify_test_set(model, config)
    assert found.classes == ['still', 'moving']
    assert found.labels.tolist() == [1, 0, 1]
    for video, scores in zip(found.videos, found.scores):
        expected = dict(recognize(model, video))
        for name, score in zip(found.classes, scores):
            assert score == pytest.approx(expected[name], rel=1e-5)


def test_a_dump_is_as_good_as_a_run(config, tmp_path):
    model = init_model(config)
    tested = classify_test_set(model, config)
    path = str(tmp_path / 'scores.pkl')
    dumped = copy.deepcopy(config)
    dumped.test_evaluator = dict(type='DumpResults', out_file_path=path)
    evaluate(model, dumped)
    found = read_classified(path, config)
    assert found.videos == tested.videos and found.classes == tested.classes
    assert np.array_equal(found.labels, tested.labels)
    assert np.array_equal(found.scores, tested.scores)

    (tmp_path / 'list.txt').write_text('0.mp4 1\n1.mp4 1\n2.mp4 1\n')
    with pytest.raises(ValueError, match='label 1 for .*1.mp4, got 0'):
        read_classified(path, config)
    (tmp_path / 'list.txt').write_text('0.mp4 1\n1.mp4 0\n')
    with pytest.raises(ValueError, match='one label for each of the 2'):
        read_classified(path, config)


def test_scores_of_other_classes_are_refused(config):
    labels = np.array([1, 0, 1])
    for scores in (np.ones((3, 3)), np.ones((3, 1)), np.full((3, 2), np.nan)):
        with pytest.raises(ValueError, match='expected .* score'):
            make_classified(config, labels, scores)


def test_videos_without_labels_are_refused(config, tmp_path):
    (tmp_path / 'list.txt').write_text('0.mp4\n1.mp4\n')
    with pytest.raises(ValueError, match='one label for each of the 2'):
        classify_test_set(init_model(config), config)
