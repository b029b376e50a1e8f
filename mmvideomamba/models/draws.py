"""Random draws of a model that belong to the samples of a batch.

A draw depends on (seed, iteration, what it is for, place in the batch of all
processes) alone: one process and several draw the same, and so does a block
that is computed again in backward.
"""

from typing import List, Sequence

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch import Tensor, nn
from torch.library import custom_op

from ..random_keys import seed_of


class SampleDraws:
    """What the draws of an iteration depend on.

    Attributes:
        active (bool): Whether they do. If not, models draw from torch's
            default generator.
    """

    def __init__(self) -> None:
        self.active = False

    def begin(self, seed: int, iteration: int, samples: int) -> None:
        """Draw for an iteration.

        Args:
            seed (int): Of the run.
            iteration (int): Of the run, from 0.
            samples (int): Of the data set, in this process's batch. Each may
                give several rows, one after another: its repeats or clips.
        """
        self._key = seed, iteration
        self._samples = samples
        self.active = True

    def end(self) -> None:
        """Leave models to torch's default generator."""
        self.active = False

    def uniform(self, name: str, rows: int, columns: int) -> Tensor:
        """Numbers in [0, 1) for each row of this process's batch.

        Args:
            name (str): What they are for; the same name, the same numbers.
            rows (int): Of the batch that the model computes.
            columns (int): Numbers for each.

        Returns:
            Tensor: (rows, columns), float32 on the CPU.
        """
        shape = rows * get_dist_info()[1], columns
        table = self._generator(name).random(shape, dtype=np.float32)
        return torch.from_numpy(self._own(table))

    def seeds(self, name: str, rows: int) -> List[int]:
        """A seed for each row of this process's batch, as in `uniform`."""
        size = rows * get_dist_info()[1]
        seeds = self._generator(name).integers(2**63, size=size)
        return self._own(seeds).tolist()

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng(seed_of('model', *self._key, name))

    def _own(self, table: np.ndarray) -> np.ndarray:
        """This process's rows of those of all.

        The k-th sample of the r-th of W processes has the place k * W + r.
        """
        rank, world_size = get_dist_info()
        rows = len(table) // world_size
        of_sample = rows // self._samples if rows % self._samples == 0 else 1
        table = table.reshape(-1, world_size, of_sample, *table.shape[1:])
        return table[:, rank].reshape(rows, *table.shape[3:])


# Of the run in this process, like torch's default generator.
sample_draws = SampleDraws()


# Operators, because torch.compile cannot see through a generator.
@custom_op('mmvideomamba::draw_paths', mutates_args=())
def draw_paths(x: Tensor, rates: Sequence[float]) -> Tensor:
    """What drop path multiplies the branches of blocks with.

    Args:
        x (Tensor): (N, ...), detached; the draws are for its rows.
        rates (Sequence[float]): Of the blocks, the probability of 0.

    Returns:
        Tensor: (blocks, N, 1, 1), 0 or 1 / (1 - rate), like `x`.
    """
    dropped = torch.tensor(rates)
    uniform = sample_draws.uniform('drop_path', len(x), len(rates))
    kept = (uniform >= dropped) / (1 - dropped)
    return kept.t()[..., None, None].to(x).contiguous()


@draw_paths.register_fake
def _(x: Tensor, rates: Sequence[float]) -> Tensor:
    return x.new_empty(len(rates), len(x), 1, 1)


@custom_op('mmvideomamba::draw_kept', mutates_args=())
def draw_kept(x: Tensor, rate: float, name: str) -> Tensor:
    """Which elements dropout keeps.

    Args:
        x (Tensor): (N, ...), detached; drawn on its device.
        rate (float): Probability of an element to be dropped.
        name (str): What it is for.

    Returns:
        Tensor: Of the shape of `x`, bool.
    """
    generator = torch.Generator(x.device)
    uniform = [
        torch.rand(
            x.shape[1:],
            generator=generator.manual_seed(seed),
            device=x.device,
        )
        for seed in sample_draws.seeds(name, len(x))
    ]
    return torch.stack(uniform) >= rate


@draw_kept.register_fake
def _(x: Tensor, rate: float, name: str) -> Tensor:
    return x.new_empty(x.shape, dtype=torch.bool)


class SampleDropout(nn.Dropout):
    """Dropout by `sample_draws` where they are active, else torch's.

    Args:
        p (float): Probability of an element to become 0.
        name (str): What it is for, one name for each in a model.
    """

    def __init__(self, p: float, name: str) -> None:
        super().__init__(p)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of `x`, (N, ...)."""
        if not (self.training and sample_draws.active and 0 < self.p < 1):
            return super().forward(x)
        return x * draw_kept(x.detach(), self.p, self.name) / (1 - self.p)
