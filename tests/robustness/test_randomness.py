"""Random data sets, loaders and trainings: draws depend on keys alone."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    ConcatDataset,
    DefaultSampler,
    RepeatDataset,
)
from torch.utils.data import DataLoader

import mmvideomamba
from mmvideomamba.datasets.sample_keys import key_samples

# Cases whose worker starts anew, which means importing everything.
STARTED_ANEW = {10: 'spawn', 20: 'forkserver'}
SCRIPT = Path(__file__).with_name('random_trainings.py')


class Draws(BaseDataset):
    """Each sample is what three generators give."""

    def __init__(self, size):
        self.size = size
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [dict(index=index) for index in range(self.size)]

    def prepare_data(self, index):
        return random.random(), np.random.random(), torch.rand(()).item()

    def get_cat_ids(self, index):
        return [index % 3]


def draw_dataset(draw):
    dataset = Draws(int(draw.integers(1, 20)))
    kind = draw.integers(4)
    if kind == 1:
        return RepeatDataset(dataset, int(draw.integers(1, 4)))
    if kind == 2:
        return ConcatDataset([dataset, Draws(int(draw.integers(1, 20)))])
    if kind == 3:
        return ClassBalancedDataset(dataset, oversample_thr=0.5)
    return dataset


def read(dataset, seed, epochs, batch_size, **workers):
    sampler = DefaultSampler(dataset, seed=seed)
    loader = DataLoader(
        dataset, batch_size, sampler=sampler, collate_fn=list, **workers
    )
    keyed = key_samples(loader, seed)
    samples = []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        keyed.key_epoch = epoch
        samples.append([sample for batch in loader for sample in batch])
    return np.array(samples)


@pytest.mark.filterwarnings('ignore:This DataLoader will create')
def test_whoever_reads_them_samples_are_the_same(campaign):
    for case in campaign.cases(60, as_test=3):
        with case:
            draw = case.random
            dataset, seed = draw_dataset(draw), int(draw.integers(2**32))
            expected = read(dataset, seed, range(3), int(draw.integers(1, 9)))
            assert len(np.unique(expected)) == expected.size
            method = STARTED_ANEW.get(case.seed, 'fork')
            # From what a run resumes at.
            first = int(draw.integers(3)) if method == 'fork' else 2
            actual = read(
                dataset,
                seed,
                range(first, 3),
                int(draw.integers(1, 9)),
                num_workers=int(draw.integers(1, 5))
                if method == 'fork'
                else 1,
                persistent_workers=bool(draw.integers(2)),
                multiprocessing_context=method,
            )
            assert np.array_equal(actual, expected[first:])
            case.outcome(f'alike with {method}')


def train_all(folder, processes, seeds):
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    launcher = ['-m', 'torch.distributed.run', f'--master-port={port}']
    launcher = [*launcher, f'--nproc-per-node={processes}']
    root = Path(mmvideomamba.__file__).parents[1]
    done = subprocess.run(
        [
            *(sys.executable, *(launcher if processes > 1 else ())),
            *(str(SCRIPT), str(folder), *map(str, seeds)),
        ],
        env={
            **os.environ,
            'PYTHONPATH': str(root),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_one_process_and_two_train_alike(campaign, tmp_path):
    """Losses, and weights at the end, up to the order of their sums.

    The quick test of it is in tests/tools/test_train_and_test.py.
    """
    cases = list(campaign.cases(12, as_test=0))
    if not cases:
        pytest.skip('plays with --robustness')
    seeds = [case.seed for case in cases]
    for processes in (1, 2):
        train_all(tmp_path / str(processes), processes, seeds)
    for case in cases:
        with case:
            one, two = (
                torch.load(tmp_path / str(processes) / f'{case.seed}.pth')
                for processes in (1, 2)
            )
            assert one[0] == pytest.approx(two[0], rel=1e-5)
            torch.testing.assert_close(one[1], two[1], rtol=1e-4, atol=1e-5)
