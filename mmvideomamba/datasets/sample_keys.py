"""Random draws of a sample that depend on (seed, epoch, sample) alone.

PyTorch's workers draw from generators that live as long as they do, so what a
sample gets depends on when and by whom it is read. Here the sampler hands
the key of the draws on with each index, and the data set seeds the generators
from it before it reads the sample.
"""

from typing import Any, Iterator, List, Sequence, Tuple

from mmengine.dist import get_dist_info
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    get_worker_info,
)

from ..random_keys import kept_generators, seed_generators

Key = Tuple[int, int, int]


class KeyedIndex(int):
    """The index of a sample, and the key of its draws but for the index.

    Args:
        index (int): Of the sample.
        key (tuple[int, int, int]): The seed, the epoch, and how often the
            sampler has been through the data set in this epoch.
    """

    key: Key

    def __new__(cls, index: int, key: Key) -> 'KeyedIndex':
        self = super().__new__(cls, index)
        self.key = key
        return self

    def __reduce__(self) -> Tuple[type, Tuple[int, Key]]:
        return KeyedIndex, (int(self), self.key)


class KeyedSampler:
    """The indices of another sampler, with keys.

    Args:
        sampler (Sampler): Of mmengine, or any that hands the samples out in
            turn: with W processes, the j-th index of the r-th is the place
            j * W + r of all.
        size (int): Samples in the data set.
        seed (int): Of the run.
        epoch (int): The next one; each pass of the loader counts it up, and
            a resumed run sets it.
    """

    def __init__(
        self, sampler: Sampler, size: int, seed: int, epoch: int = 0
    ) -> None:
        self.sampler = sampler
        self.size = size
        self.key_seed = seed
        self.key_epoch = epoch

    def __iter__(self) -> Iterator[KeyedIndex]:
        rank, world_size = get_dist_info()
        epoch, self.key_epoch = self.key_epoch, self.key_epoch + 1
        for number, index in enumerate(self.sampler):
            rounds = (number * world_size + rank) // self.size
            yield KeyedIndex(index, (self.key_seed, epoch, rounds))

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]  # a sized one

    def __getattr__(self, name: str) -> Any:
        """What hooks and batch samplers ask a sampler for."""
        if name == 'sampler':
            raise AttributeError(name)
        return getattr(self.sampler, name)


class SeededReading:
    """Read samples, each with the generators seeded from its key.

    The `__getitems__` that PyTorch's loader asks a data set for. The
    process's own generators stay as they were.

    Args:
        dataset (Dataset): Any with `__getitem__`; a wrapper of others is
            seeded as a whole.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __call__(self, indices: Sequence[int]) -> List[Any]:
        """Read the samples; indices without a key are read as they are."""
        if get_worker_info() is not None:
            return list(map(self._read, indices))
        with kept_generators():
            return list(map(self._read, indices))

    def _read(self, index: int) -> Any:
        if isinstance(index, KeyedIndex):
            seed_generators('sample', *index.key, int(index))
        return self.dataset[int(index)]


def key_samples(loader: DataLoader, seed: int) -> KeyedSampler:
    """Let the draws of a loader's samples depend on their keys alone.

    To be called before the loader is first iterated; a second call changes
    the seed.

    Args:
        loader (DataLoader): Of any data set that is not iterable.
        seed (int): Of the run.

    Returns:
        KeyedSampler: Its `key_epoch` may be set before each epoch.

    Raises:
        TypeError: The loader has no indices that keys could go with.
    """
    batches: Any = loader.batch_sampler
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(batches, 'sampler'):
        raise TypeError(
            'expected a data set that is read by index and a batch sampler '
            f'with a `sampler`, got {type(dataset).__name__} and '
            f'{type(batches).__name__}: random draws cannot be made to depend '
            'on the sample alone. To train without that, set '
            'default_hooks.sample_randomness=None'
        )
    if not isinstance(batches.sampler, KeyedSampler):
        batches.sampler = KeyedSampler(batches.sampler, len(dataset), seed)
        dataset.__getitems__ = SeededReading(dataset)
    batches.sampler.key_seed = seed
    return batches.sampler
