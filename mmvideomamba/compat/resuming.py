"""Resumed runs read their samples in the order of the first run."""

from functools import cached_property, wraps
from typing import Any, Callable

from torch.utils.data import DataLoader


def start_reading_with_the_training() -> None:
    """Let training by iterations read its first batches when it trains.

    mmengine starts the workers when it builds the loop, before a checkpoint
    has said what the seed is and before any hook, see
    `_InfiniteDataloaderIterator`:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/loops.py
    """
    from mmengine.runner import loops

    reader = loops._InfiniteDataloaderIterator

    def init(self: Any, dataloader: DataLoader) -> None:
        self._dataloader, self._epoch = dataloader, 0

    iterator = cached_property(lambda self: iter(self._dataloader))
    iterator.__set_name__(reader, '_iterator')
    reader.__init__, reader._iterator = init, iterator


def order_samples_by_the_seed_of_the_run() -> None:
    """Let a resumed run have the order of the run that it resumes.

    The sampler is built before the checkpoint says what the seed is, and
    nothing tells it then, see `resume`:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py
    """
    from mmengine.runner import FlexibleRunner, Runner

    for runner in (Runner, FlexibleRunner):
        if not hasattr(runner.load_or_resume, '__wrapped__'):
            runner.load_or_resume = _ordering(runner.load_or_resume)


def _ordering(load_or_resume: Callable) -> Callable:
    @wraps(load_or_resume)
    def load_or_resume_in_order(self: Any) -> None:
        load_or_resume(self)
        config, loop = self._train_dataloader, self._train_loop
        # A loop that does not train stays a config.
        if not hasattr(loop, 'dataloader') or not isinstance(config, dict):
            return
        sampler: Any = getattr(loop.dataloader.batch_sampler, 'sampler', None)
        own = (config.get('sampler') or {}).get('seed')
        if hasattr(sampler, 'seed') and own is None:
            sampler.seed = seed_of_run(self)

    return load_or_resume_in_order


def seed_of_run(runner: Any) -> int:
    """The seed that all processes of a run share.

    With `diff_rank_seed` mmengine adds the rank to it.
    """
    differs = runner._randomness_cfg.get('diff_rank_seed', False)
    return runner.seed - runner.rank * bool(differs)
