"""Videos of several labels, from drawing the data set to the report."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tool_runner import TOOLS, assert_refused, run_tool

from mmvideomamba.analysis.training_log import (
    read_test_metrics,
    read_training_log,
)

NAME = 'videomamba-nano-p16_1xb32-8x4x1-30e_motionshapes-multilabel-rgb'
MAP = 'acc/mean_average_precision'
# The config itself, with less of everything.
CONFIG = """
_base_ = '{configs}/recognition/videomamba/{name}.py'
model = dict(
    backbone=dict(arch=dict(_delete_=True, embed_dims=16, num_layers=1)),
    cls_head=dict(in_channels=16),
)
small = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='{root}'),
)
train_dataloader = small
val_dataloader = small
test_dataloader = small
train_cfg = dict(max_epochs=2, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A project with its data set, and a model of two epochs."""
    folder = tmp_path_factory.mktemp('project')
    root = folder / 'data'
    run_tool(
        'data/motion_shapes.py',
        *(root, '--multi-label', '--num-train', 8, '--num-test', 6),
        *('--num-frames', 8, '--size', 64),
    )
    config = folder / f'{NAME}.py'
    configs = TOOLS.parent / 'configs'
    config.write_text(CONFIG.format(configs=configs, name=NAME, root=root))
    work_dir = folder / 'work_dirs' / NAME
    run_tool('train.py', config, '--work-dir', work_dir)
    return folder


@pytest.fixture
def arguments(folder):
    """Config and best checkpoint."""
    (best,) = folder.glob(f'work_dirs/{NAME}/best_*.pth')
    return folder / f'{NAME}.py', best


def test_the_log_has_map_and_no_accuracy(folder, arguments):
    assert 'best_acc_mean_average_precision_epoch' in arguments[1].name
    log = read_training_log(folder / 'work_dirs' / NAME)
    assert [record['step'] for record in log.val] == [1, 2]
    for record in log.val:
        assert 0 < record[MAP] <= 1
    for record in [*log.train, *log.val]:
        assert not any('top' in name for name in record), record


def average_precision(scores, labels):
    """Mean of the precision at each positive, from the best score down."""
    hits = labels[np.argsort(-scores)]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return precision[hits == 1].mean()


def test_a_test_scores_each_class_alone(folder, arguments, capsys):
    work_dir = folder / 'tests' / NAME
    run_tool(
        'test.py',
        *(*arguments, '--work-dir', work_dir),
        *('--dump', folder / 'all.pkl', '--show-dir', folder / 'shown'),
        *('--interval', 5),
    )
    samples = pickle.loads((folder / 'all.pkl').read_bytes())
    scores = np.stack([sample['pred_score'] for sample in samples])
    labels = np.stack([sample['gt_label'] for sample in samples])
    assert labels[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    # A softmax would add up to one.
    assert (scores > 0).all() and (scores < 1).all()
    assert (scores.sum(1) > 1.5).all()
    expected = np.mean(
        [
            average_precision(*pair)
            for pair in zip(scores.T, labels.T)
            if pair[1].any()
        ]
    )
    assert read_test_metrics(work_dir)[MAP] == pytest.approx(expected)
    lines = (folder / 'data/test_list.txt').read_text().splitlines()
    names = [Path(lines[number].split()[0]).name for number in (0, 5)]
    shown = (folder / 'shown').rglob('*.mp4')
    assert sorted(path.name for path in shown) == sorted(names)

    capsys.readouterr()
    run_tool('analysis_tools/paper_tables.py', folder / 'tests', '--tables', 2)
    row = f'| {NAME} | {100 * expected:.1f} |'
    assert row in capsys.readouterr().out


def test_the_demo_prints_independent_percentages(
    folder, arguments, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    video = next(Path('data/videos').glob('*/*.mp4'))
    run_tool('demo.py', video, *arguments, '--device', 'cpu')
    *lines, _ = capsys.readouterr().out.splitlines()[-6:]
    shares = [float(line.split('%')[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) > 110 and max(shares) < 100


def test_logits_are_not_printed_as_percentages(
    folder, arguments, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    video = next(Path('data/videos').glob('*/*.mp4'))
    options = '--cfg-options', 'model.cls_head.average_clips=score'
    run_tool('demo.py', video, *arguments, '--device', 'cpu', *options)
    *lines, _ = capsys.readouterr().out.splitlines()[-6:]
    logits = [float(line.split()[0]) for line in lines]
    assert logits == sorted(logits, reverse=True) and min(logits) < 0
    options = '--cfg-options', 'model.cls_head.average_clips=None'
    message = "set model.cls_head.average_clips='prob'"
    assert_refused(capsys, message, 'demo.py', video, *arguments, *options)


def test_the_curve_is_drawn(folder, capsys):
    work_dir = folder / 'work_dirs' / NAME
    run_tool('analysis_tools/plot_training_curve.py', work_dir)
    assert (work_dir / 'training_curve.png').exists()


def test_check_videos_keeps_labels_as_they_are(folder, capsys):
    root, out = folder / 'data', folder / 'clean.txt'
    lines = (root / 'train_list.txt').read_text().splitlines()[:3]
    bare, single = (line.split()[0] for line in lines[1:])
    written = folder / 'list.txt'
    written.write_text(f'{lines[0]}\n{bare}\ngone.mp4 0 3\n{single} 4\n')
    arguments = written, root / 'videos', '--out', out, '--workers', 1
    with pytest.raises(SystemExit, match='^1$'):  # one was left out
        run_tool('data/check_videos.py', *arguments)
    assert out.read_text().splitlines() == [lines[0], bare, f'{single} 4']
    said = capsys.readouterr().out
    assert '1 of 4 left out' in said and '2 with several labels' in said
