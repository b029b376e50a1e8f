"""A disk that fills at any byte leaves whole files, or none, and is named."""

import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mmengine.evaluator import DumpResults
from tool_runner import TOOLS, assert_refused
from video_files import write_frames

from mmvideomamba import parallel
from mmvideomamba.checkpoints.writing import encode_weights, write_new
from mmvideomamba.datasets.annotations import Annotation, write_annotations
from mmvideomamba.datasets.motion_shapes import write_motion_shapes
from mmvideomamba.files import write_json
from mmvideomamba.video import write_video
from mmvideomamba.visualization import save_figure


@contextmanager
def disk_of(size):
    """No file can grow beyond so many bytes, as for `ulimit -f`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_weights(path):
    state = dict(weight=torch.arange(999.0))
    write_new(str(path), encode_weights(state, {}, str(path)))


def resize(source, target, short_side):
    from resize_videos import resize_video

    assert resize_video(source, target.parent, 'a.mp4', short_side, 32) is None


FRAMES = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
WRITERS = {
    'list.txt': lambda path: write_annotations(
        path, [Annotation(f'{n}.mp4', (n,)) for n in range(99)]
    ),
    'record.json': lambda path: write_json(path, list(range(99))),
    'figure.pdf': lambda path: save_figure(Figure((1, 1)), path),
    'weights.pth': write_weights,
    'weights.safetensors': write_weights,
    'scores.pkl': lambda path: DumpResults(str(path)).compute_metrics(
        [dict(pred_score=torch.arange(99.0))]
    ),
    'prediction.mp4': lambda path: write_video(path, FRAMES),
    'shapes': lambda path: write_motion_shapes(path, 1, 1, 2, 64),
}


@pytest.fixture
def writers(tmp_path, monkeypatch):
    """Name -> function that writes to a path."""
    monkeypatch.syspath_prepend(str(TOOLS / 'data'))
    write_frames(tmp_path / 'a.mp4')
    return {
        **WRITERS,
        'resized/a.mp4': lambda path: resize(tmp_path, path, 32),
        'copied/a.mp4': lambda path: resize(tmp_path, path, 256),
    }


def files_in(folder):
    """Path in the folder -> content."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_a_full_disk_leaves_whole_files_or_none(campaign, writers, tmp_path):
    whole = {}
    for case in campaign.cases(300, as_test=20):
        with case:
            name = list(writers)[case.seed % len(writers)]
            write = writers[name]
            if name not in whole:
                folder = tmp_path / f'whole_{case.seed}'
                write(folder / name)
                whole[name] = files_in(folder)
            folder = tmp_path / f'case_{case.seed}'
            largest = max(map(len, whole[name].values()))
            size = int(case.random.integers(largest))
            with disk_of(size), pytest.raises(OSError) as error:
                write(folder / name)
            assert f'cannot write {folder}' in str(error.value)
            assert f'{size} bytes' in str(error.value)
            assert 'are free on that disk' in str(error.value)
            left = files_in(folder)
            assert left == {path: whole[name][path] for path in left}
            assert len(left) < len(whole[name])
            case.outcome(f'at {name}')


@pytest.fixture
def serial(writers, monkeypatch):
    """The data tools work in this process: workers would keep the limit."""

    def run(function, items, workers, on_crash):
        return {item: function(item) for item in items}

    monkeypatch.setattr(parallel, 'run_parallel', run)


@pytest.mark.parametrize('tool', ['check_videos.py', 'motion_shapes.py'])
def test_a_tool_says_so_and_ends(serial, tmp_path, capsys, tool):
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    (tmp_path / 'videos').mkdir()
    os.link(tmp_path / 'a.mp4', tmp_path / 'videos/a.mp4')
    arguments = dict(
        check_videos=[tmp_path / 'list.txt', tmp_path / 'videos'],
        motion_shapes=[tmp_path / 'shapes', '--num-train', 1],
    )[tool[:-3]]
    before = files_in(tmp_path)
    with disk_of(5):
        assert_refused(
            capsys,
            f'error: cannot write {tmp_path}',
            f'data/{tool}',
            *arguments,
        )
    assert files_in(tmp_path) == before
