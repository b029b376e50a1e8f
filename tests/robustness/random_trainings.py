"""Train the models of some seeds, in as many processes as were started.

    python random_trainings.py FOLDER SEED...

Each writes FOLDER/SEED.pth: its losses and its weights.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

sys.path.append(str(Path(__file__).parents[1]))

from noisy_clips import NoisyClips
from small_models import small_recognizer

BATCH = 4
ITERATIONS = 5


class Keep(Hook):
    """Write what a training gave; after AverageLossesHook."""

    priority = 'LOW'

    def __init__(self, path):
        self.path, self.losses = path, []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(outputs['loss'].item())

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        if runner.rank == 0:
            torch.save((self.losses, model.state_dict()), self.path)


def make_config(seed, folder, launcher, processes):
    """A training whose settings are drawn."""
    draw = np.random.default_rng(seed)
    size = 2 * int(draw.integers(2, 9))
    repeats = int(draw.integers(1, 3))
    by_epoch = bool(draw.integers(2))
    model = small_recognizer(
        num_classes=size,
        num_layers=int(draw.integers(2, 4)),
        drop_path_rate=float(draw.choice([0.0, 0.5])),
        drop_rate=float(draw.choice([0.0, 0.2])),
        with_cp=bool(draw.integers(2)),
    )
    model['cls_head']['dropout_ratio'] = float(draw.choice([0.0, 0.5]))
    collate = 'repeat_pseudo_collate' if repeats > 1 else 'pseudo_collate'
    epochs = -(-ITERATIONS * BATCH // size)
    workers = int(draw.integers(0, 2))
    return dict(
        default_scope='mmaction',
        work_dir=str(folder / f'work_{seed}'),
        experiment_name=f'{processes}_{seed}',
        launcher=launcher,
        model=model,
        train_dataloader=dict(
            batch_size=BATCH // processes,
            num_workers=workers if processes > 1 else 2 * workers,
            collate_fn=dict(type=collate),
            sampler=dict(
                type='DefaultSampler' if by_epoch else 'InfiniteSampler'
            ),
            dataset=dict(
                type=NoisyClips.__name__, size=size, num_repeats=repeats
            ),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs)
        if by_epoch
        else dict(by_epoch=False, max_iters=ITERATIONS),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1),
            accumulative_counts=int(draw.integers(1, 3)),
        ),
        default_hooks=dict(
            logger=None,
            checkpoint=None,
            sample_randomness=dict(type='SampleRandomnessHook'),
            average_losses=dict(type='AverageLossesHook'),
        ),
        randomness=dict(seed=seed),
        log_level='ERROR',
    )


def main():
    folder, *seeds = sys.argv[1:]
    processes = int(os.environ.get('WORLD_SIZE', 1))
    launcher = 'pytorch' if processes > 1 else 'none'
    torch.set_num_threads(1)
    for seed in map(int, seeds):
        config = make_config(seed, Path(folder), launcher, processes)
        runner = Runner.from_cfg(config)
        runner.register_hook(Keep(Path(folder) / f'{seed}.pth'))
        runner.train()
    if processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main()
