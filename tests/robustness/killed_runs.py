"""A small training in a process of its own, to be killed.

Started from a server that has imported everything: one takes half a second.
"""

import multiprocessing
import os
import socket
import sys
import time
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.runner import Runner

import mmvideomamba
from mmvideomamba.datasets.motion_shapes import write_motion_shapes

assert mmvideomamba  # repairs the host
CONTEXT = multiprocessing.get_context('forkserver')
EPOCHS, VIDEOS, BATCH = 2, 15, 3
BASE = str(
    Path(__file__).parents[2] / 'configs' / '_base_' / 'default_runtime.py'
)


def write_videos(folder):
    """Real video files, and the lists that `config_of` reads."""
    write_motion_shapes(str(folder), VIDEOS, 8, num_frames=8, size=64)
    return folder


def config_of(data, work_dir, resume, launcher='none'):
    """A VideoMamba with augmentation, EMA and workers, saved often.

    Args:
        data (Path): From `write_videos`.
        work_dir (Path): Of the run.
        resume (bool): Go on with the last checkpoint.
        launcher (str): 'pytorch' in several processes.
    """
    augmentation = [
        dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='Flip', flip_ratio=0.5),
    ]
    resize = [dict(type='Resize', scale=(32, 32), keep_ratio=False)]

    def loader(part, transforms, **sampling):
        pipeline = [
            dict(type='DecordInit'),
            dict(
                type='SampleFrames', clip_len=4, frame_interval=1, **sampling
            ),
            dict(type='DecordDecode'),
            *transforms,
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ]
        return dict(
            batch_size=BATCH,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=part == 'train'),
            dataset=dict(
                type='CheckedVideoDataset',
                ann_file=f'{data}/{part}_list.txt',
                data_prefix=dict(video=f'{data}/videos'),
                pipeline=pipeline,
                test_mode=part == 'test',
            ),
        )

    cfg = Config.fromfile(BASE)
    cfg.merge_from_dict(
        dict(
            model=dict(
                type='Recognizer3D',
                backbone=dict(
                    type='VideoMamba',
                    arch=dict(embed_dims=16, num_layers=1),
                    img_size=32,
                    num_frames=4,
                    drop_path_rate=0.2,
                ),
                cls_head=dict(
                    type='VideoMambaHead',
                    num_classes=8,
                    in_channels=16,
                    average_clips='prob',
                ),
                data_preprocessor=dict(
                    type='ActionDataPreprocessor', format_shape='NCTHW'
                ),
            ),
            train_dataloader=loader(
                'train',
                augmentation,
            ),
            val_dataloader=loader('test', resize, test_mode=True),
            val_evaluator=dict(type='AccMetric'),
            val_cfg=dict(),
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
            optim_wrapper=dict(
                optimizer=dict(type='AdamW', lr=2e-3),
                clip_grad=dict(max_norm=1.0),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, end=9, by_epoch=False),
                dict(type='MultiStepLR', milestones=[1], by_epoch=True),
            ],
            default_hooks=dict(
                logger=dict(interval=1),
                preemption=dict(interval_iters=2),
            ),
            custom_hooks=[dict(type='EMAHook', momentum=0.1)],
            work_dir=str(work_dir),
            randomness=dict(seed=1),
            resume=resume,
            launcher=launcher,
        )
    )
    return cfg


def _train(environ, *arguments):
    os.environ.update(environ)
    torch.set_num_threads(1)
    # Nobody reads the output of so many runs.
    with open(os.devnull, 'w') as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    # Formatting it for each checkpoint takes longer than all the rest.
    with mock.patch.object(Config, 'pretty_text', ''):
        Runner.from_cfg(config_of(*arguments)).train()


def _start_server():
    """Let the server import all this once; Python 3.11 hides our path."""
    CONTEXT.set_forkserver_preload([__name__])
    path = os.pathsep.join(sys.path)
    with mock.patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()


def free_port():
    """A port that two processes can meet at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class KilledRun:
    """A training under way, or one of its two processes.

    Args:
        data (Path): From `write_videos`.
        work_dir (Path): Of the run.
        resume (bool): See `config_of`.
        rank (int, optional): Of this process, where there are two.
        port (int): Where the two meet.
    """

    def __init__(self, data, work_dir, resume=False, rank=None, port=0):
        _start_server()
        self.work_dir = Path(work_dir)
        environ, launcher = {}, 'none'
        if rank is not None:
            environ = dict(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE='2',
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(port),
                CUDA_VISIBLE_DEVICES='',
            )
            launcher = 'pytorch'
        self.process = CONTEXT.Process(
            target=_train,
            args=(environ, data, work_dir, resume, launcher),
        )
        self.process.start()

    def wait(self):
        """Until it ends; return the exit code."""
        self.process.join()
        return self.process.exitcode

    def wait_for(self, seconds):
        """So many seconds, or until it ends."""
        self.process.join(seconds)

    def wait_for_saving(self, times):
        """Until a checkpoint is being written for the n-th time."""
        seen = set()
        while len(seen) < times and self.process.is_alive():
            for path in self.work_dir.glob('*.pth'):
                with suppress(FileNotFoundError):
                    # The name of a file that is not yet whole is another.
                    seen.add((path.stat().st_ino, path.name))
            time.sleep(0.0005)

    def send(self, number):
        """Send it a signal, unless it has ended."""
        if self.process.is_alive():
            os.kill(self.process.pid, number)
