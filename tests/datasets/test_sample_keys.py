"""What a sample draws: a function of (seed, epoch, sample), whoever reads."""

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    ConcatDataset,
    DefaultSampler,
    InfiniteSampler,
    RepeatDataset,
    worker_init_fn,
)
from scipy import stats
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
)

from mmvideomamba.datasets import sample_keys
from mmvideomamba.datasets.sample_keys import KeyedIndex, key_samples


class Draws(BaseDataset):
    """Samples that are what three generators give, (index, 3 numbers)."""

    def __init__(self, size=10):
        self.size = size
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [dict(index=index) for index in range(self.size)]

    def prepare_data(self, index):
        drawn = random.random(), np.random.random(), torch.rand(()).item()
        return (self.get_data_info(index)['index'], *drawn)

    def get_cat_ids(self, index):
        return [0 if index else 1]


def make_loader(dataset, seed=0, sampler=None, batch_size=4, **settings):
    sampler = sampler or DefaultSampler(dataset, seed=seed)
    loader = DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        collate_fn=list,
        **settings,
    )
    key_samples(loader, seed)
    return loader


def read(epochs=2, **settings):
    """All samples of some epochs, (epochs, samples, 4)."""
    loader = make_loader(settings.pop('dataset', None) or Draws(), **settings)
    drawn = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        drawn.append([sample for batch in loader for sample in batch])
    return np.array(drawn)


@pytest.mark.filterwarnings('ignore:This DataLoader will create 4 worker')
@pytest.mark.parametrize('persistent_workers', [False, True])
@pytest.mark.parametrize('num_workers', [2, 4])
def test_workers_change_nothing(num_workers, persistent_workers):
    workers = dict(
        num_workers=num_workers, persistent_workers=persistent_workers
    )
    assert np.array_equal(read(), read(**workers))


def test_the_worker_init_fn_of_the_host_changes_nothing():
    def init(worker_id):
        worker_init_fn(worker_id, num_workers=2, rank=0, seed=worker_id)

    workers = dict(num_workers=2, worker_init_fn=init)
    assert np.array_equal(read(), read(**workers))


def test_a_sample_draws_what_its_key_says():
    """Known values: a change of them is one for the changelog."""
    index, *drawn = read(epochs=1)[0][0]
    assert index == 4
    assert drawn == pytest.approx([0.93659614, 0.85736773, 0.10533112])


def test_a_resumed_epoch_is_the_uninterrupted_one():
    whole = read(epochs=3)
    dataset = Draws()
    loader = make_loader(dataset)
    keyed = loader.batch_sampler.sampler
    keyed.set_epoch(2)
    keyed.key_epoch = 2
    resumed = [sample for batch in loader for sample in batch]
    assert np.array_equal(resumed, whole[2])


@pytest.mark.parametrize(
    'dataset, repeats',
    [
        (lambda: RepeatDataset(Draws(), times=3), 30),
        (lambda: ConcatDataset([Draws(), Draws(20)]), 30),
        (lambda: ClassBalancedDataset(Draws(), oversample_thr=0.9), None),
    ],
)
def test_wrapped_data_sets_draw_anew_for_each_copy(dataset, repeats):
    one = read(dataset=dataset())
    other = read(dataset=dataset(), num_workers=2)
    assert np.array_equal(one, other)
    copies = len(one[0])
    assert repeats in (None, copies) and copies > 10
    assert len(np.unique(one[..., 1])) == 2 * copies


@pytest.mark.parametrize('num_workers', [0, 2])
def test_an_endless_sampler_counts_its_passes(num_workers):
    dataset = Draws(4)
    sampler = InfiniteSampler(dataset, seed=0)
    loader = make_loader(dataset, sampler=sampler, num_workers=num_workers)
    batches = [np.array(batch) for batch in itertools.islice(loader, 5)]
    assert all(sorted(batch[:, 0]) == [0, 1, 2, 3] for batch in batches)
    assert len(np.unique(batches)) == 4 + 5 * 4 * 3


def test_a_loader_that_starts_again_counts_epochs():
    """As training by iterations does with a sampler that ends."""
    dataset = Draws(9)
    sampler = RandomSampler(dataset, generator=torch.Generator())
    loader = make_loader(dataset, sampler=sampler)
    drawn = [[s for batch in loader for s in batch] for _ in range(3)]
    assert len(np.unique(np.array(drawn)[..., 1])) == 27


def as_ranks(monkeypatch, world_size, size=9, **settings):
    """What each of several processes reads in an epoch."""
    for rank in range(world_size):
        info = lambda rank=rank: (rank, world_size)  # noqa: E731
        monkeypatch.setattr(sample_keys, 'get_dist_info', info)
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', info)
        yield read(epochs=1, dataset=Draws(size), **settings)[0]


def test_processes_read_what_one_reads(monkeypatch):
    (one,) = as_ranks(monkeypatch, 1)
    two = list(as_ranks(monkeypatch, 2))
    # A ninth sample is made up to ten by the first, with draws of its own.
    together = np.stack(two, 1).reshape(10, 4)
    assert np.array_equal(together[:9], one)
    assert together[9][0] == one[0][0]
    assert not np.isin(together[9][1:], one).any()


def test_reading_leaves_the_processes_own_generators_alone():
    def numbers():
        return random.random(), np.random.random(), torch.rand(()).item()

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    expected = [numbers() for _ in range(2)]
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    actual = [numbers()]
    dataset = Draws()
    make_loader(dataset)
    dataset.__getitems__([KeyedIndex(3, (0, 0, 0))])
    assert [*actual, numbers()] == expected


def test_the_rest_of_an_epoch_is_the_end_of_the_whole():
    """Samples may be left out behind the keys, as for a resumed epoch."""
    whole = read(epochs=1)[0]
    loader = make_loader(Draws())
    sampler = loader.batch_sampler.sampler
    loader.batch_sampler.sampler = list(itertools.islice(sampler, 4, None))
    rest = [sample for batch in loader for sample in batch]
    assert np.array_equal(rest, whole[4:])


def test_keys_and_data_sets_can_be_sent_to_another_process():
    index = pickle.loads(pickle.dumps(KeyedIndex(3, (1, 2, 0))))
    assert index == 3 and index.key == (1, 2, 0)
    dataset = Draws()
    make_loader(dataset)
    (expected,) = dataset.__getitems__([index])
    for sent in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert sent.__getitems__.dataset is sent
        assert sent.__getitems__([index]) == [expected]


def test_a_batch_sampler_sees_the_sampler_it_was_given():
    sampler = DefaultSampler(Draws(), seed=5)
    loader = DataLoader(
        sampler.dataset, batch_sampler=BatchSampler(sampler, 3, True)
    )
    keyed = key_samples(loader, 7)
    assert keyed.dataset is sampler.dataset and keyed.seed == 5
    assert len(keyed) == 10 and len(loader) == 3
    assert key_samples(loader, 8) is keyed
    assert next(iter(keyed)).key == (8, 0, 0)
    with pytest.raises(AttributeError, match='nothing'):
        _ = keyed.nothing


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


@pytest.mark.parametrize(
    'loader, got',
    [
        (lambda: DataLoader(Stream()), 'Stream and BatchSampler'),
        (lambda: DataLoader([1], batch_size=None), 'list and NoneType'),
        (lambda: DataLoader([1], batch_sampler=[[0]]), 'list and list'),
    ],
)
def test_loaders_that_cannot_hand_keys_on_are_refused(loader, got):
    with pytest.raises(TypeError, match=f'got {got}: .*default_hooks'):
        key_samples(loader(), 0)


def test_draws_are_independent():
    """Of each other over seeds, epochs and samples, and between generators.

    1,200 keys that differ in one number by one. Each generator's numbers are
    uniform, neighbours in any direction are uncorrelated, and no two keys or
    generators share a number. The chance of a false alarm is 1e-3 a test, and
    the numbers are the same in every run.
    """
    shape = seeds, epochs, size = 10, 10, 12
    drawn = np.array(
        [
            [sorted(map(tuple, epoch)) for epoch in read_epochs]
            for read_epochs in (
                read(epochs, dataset=Draws(size), seed=seed)
                for seed in range(seeds)
            )
        ]
    )[..., 1:]
    assert drawn.shape == (*shape, 3)
    assert len(np.unique(drawn)) == drawn.size
    numbers = dict(zip(('random', 'numpy', 'torch'), np.moveaxis(drawn, 3, 0)))
    for name, of_one in numbers.items():
        assert stats.kstest(of_one.ravel(), 'uniform').pvalue > 1e-3, name
        for axis in range(3):
            ahead = np.moveaxis(of_one, axis, 0)
            assert uncorrelated(ahead[:-1], ahead[1:]), (name, axis)
    for one, other in itertools.combinations(numbers, 2):
        assert uncorrelated(numbers[one], numbers[other]), (one, other)


def uncorrelated(one, other):
    return stats.pearsonr(one.ravel(), other.ravel()).pvalue > 1e-3
