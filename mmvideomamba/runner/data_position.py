"""How far a run has come in its data: saved, and found again.

mmengine's checkpoints know epochs. One that is saved inside an epoch records
here which clips of it were seen.
"""

from itertools import islice
from typing import Any, Iterator, NamedTuple, Optional

from mmengine.dataset import DefaultSampler
from mmengine.dist import get_world_size
from torch.utils.data import DataLoader


class DataPosition(NamedTuple):
    """Where inside an epoch a checkpoint was saved.

    Args:
        iterations (int): Those of the epoch that are over.
        batch (int): Clips that all processes read in one iteration; 0 where
            batches have no one size.
        clips (int): Clips of the data set.
        seed (int): Of the order of the clips, or 0.
    """

    iterations: int
    batch: int
    clips: int
    seed: int

    @classmethod
    def in_loader(cls, loader: DataLoader, iterations: int) -> 'DataPosition':
        """The position after so many iterations of an epoch."""
        batch_size = loader.batch_size or getattr(
            loader.batch_sampler, 'batch_size', 0
        )
        return cls(
            iterations=iterations,
            batch=batch_size * get_world_size(),
            clips=len(loader.dataset),  # type: ignore[arg-type]  # sized
            seed=int(getattr(clip_sampler(loader), 'seed', None) or 0),
        )

    @classmethod
    def of_meta(cls, meta: dict) -> Optional['DataPosition']:
        """What `meta` of a checkpoint records; None if it does not.

        Raises:
            ValueError: The record is none of ours.
        """
        record = meta.get('data_position')
        if record is None:
            return None
        if (
            not isinstance(record, dict)
            or set(record) != set(cls._fields)
            or any(type(number) is not int for number in record.values())
            or any(number < 0 for number in record.values())
        ):
            raise ValueError(
                "cannot resume: the checkpoint's meta.data_position should "
                f'have the numbers {", ".join(cls._fields)}, got {record!r}. '
                'Resume from an epoch_*.pth'
            )
        return cls(**record)

    def iterations_in(self, loader: DataLoader) -> Optional[int]:
        """Iterations of this loader that see the clips that were seen.

        With another batch size or number of processes, mmengine's
        `DefaultSampler` hands out the clips in the same order.

        Returns:
            int, optional: None where no number of iterations sees the same.
        """
        there = self.in_loader(loader, 0)
        if self._replace(iterations=0) == there:
            return self.iterations
        same_order = isinstance(clip_sampler(loader), DefaultSampler) and (
            (self.clips, self.seed) == (there.clips, there.seed)
        )
        seen = self.iterations * self.batch
        if not same_order or not there.batch or seen % there.batch:
            return None
        return min(seen // there.batch, len(loader))


def restore_order(
    loader: DataLoader, position: Optional[DataPosition]
) -> None:
    """Let the sampler of a resumed run go on with the order of the run.

    mmengine builds it before it reads the seed of the checkpoint.
    """
    sampler = clip_sampler(loader)
    if position and hasattr(sampler, 'seed'):
        sampler.seed = position.seed


def rest_of_epoch(loader: DataLoader, iterations: int) -> Iterator[Any]:
    """A pass through a loader whose first batches are not read."""
    return go_on_with(loader, islice(index_batches(loader), iterations, None))


def go_on_with(loader: DataLoader, under_way: Iterator[Any]) -> Iterator[Any]:
    """A pass through a loader that reads these batches of indices.

    Its next passes read those of its batch sampler.
    """
    name = _sampler_name(loader)
    batches = vars(loader)[name]
    # torch refuses to set it, but takes it anew in each pass.
    vars(loader)[name] = _UnderWay(batches, under_way)
    try:
        return iter(loader)
    finally:
        vars(loader)[name] = batches


def index_batches(loader: DataLoader) -> Iterator[Any]:
    """The indices that the next pass through a loader would read."""
    return iter(vars(loader)[_sampler_name(loader)])


def clip_sampler(loader: DataLoader) -> Any:
    """The sampler of single clips, as mmengine's DistSamplerSeedHook does."""
    if hasattr(loader.sampler, 'set_epoch'):
        return loader.sampler
    return getattr(loader.batch_sampler, 'sampler', loader.sampler)


def _sampler_name(loader: DataLoader) -> str:
    return 'sampler' if loader.batch_sampler is None else 'batch_sampler'


class _UnderWay:
    """A sampler whose first pass is under way.

    Loaders with persistent workers keep it for their next passes. The first
    pass is the first that is asked for a batch: torch begins one in vain.
    """

    def __init__(self, sampler: Any, under_way: Iterator[Any]) -> None:
        self.sampler = sampler
        self.under_way: Optional[Iterator[Any]] = under_way

    def __iter__(self) -> Iterator[Any]:
        under_way, self.under_way = self.under_way, None
        yield from self.sampler if under_way is None else under_way

    def __len__(self) -> int:
        return len(self.sampler)
