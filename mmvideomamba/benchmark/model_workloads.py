"""Time and memory of video models, side by side in one run.

Each model lives in a process of its own, see `isolated_process.py`; how times
are taken says `timing.py`, what counts as memory `memory.py`. A training step
also holds gradients and the optimizer's two moments.
"""

import copy
import warnings
from contextlib import ExitStack
from functools import partial
from typing import (
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import torch
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor

from ..analysis.flops import count_complexity
from ..apis import find_backbone
from ..registry import MODELS
from .benchmarked_models import BENCHMARKED_MODELS, model_config
from .busy_processes import busy_processes
from .comparison import Contender, compare
from .fused_attention import fuse_attention
from .isolated_process import isolated_process
from .matrix_products import MatrixProducts
from .memory import give_back_memory, peak_memory
from .record import DTYPES
from .timing import warm_seconds

PASSES = ('forward', 'training')
PRODUCTS = 'its matrix products alone'
COSTS = (
    'parameters',
    'paper_macs',
    'complete_macs',
    'memory',
    'memory_per_clip',
)


class Entry(NamedTuple):
    """One row of the comparison.

    Attributes:
        model (str): One of `BENCHMARKED_MODELS`.
        frames (int): Frames of a clip.
        dtype (str): 'fp32', or 'bf16' for autocast.
        busy (int): Other processes that keep a core busy meanwhile.
    """

    model: str
    frames: int
    dtype: str
    busy: int = 0

    @property
    def name(self) -> str:
        """What tables call it, such as 'VideoMamba-S 16f bf16'."""
        title = f'{BENCHMARKED_MODELS[self.model].title} {self.frames}f'
        if self.dtype != 'fp32':
            title += f' {self.dtype}'
        return f'{title} + {self.busy} busy' if self.busy else title


class ModelWorkload:
    """A recognizer and a batch of clips, run as mmaction2 runs them.

    Args:
        model (BaseModel): A recognizer of mmaction2.
        clips (Tensor): (B, C, T, H, W), normalised, on the model's device.
    """

    def __init__(self, model: BaseModel, clips: Tensor) -> None:
        self.model = model
        self.clips = clips
        self.device = clips.device.type
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=1e-4, fused=True
        )
        self._products: Dict[str, Tuple[MatrixProducts, Tensor]] = {}

    def forward(self, dtype: str) -> None:
        """Scores of the clips, as a test computes them."""
        self.model.eval()
        with torch.no_grad(), self._autocast(dtype):
            self.model(*self._batch(), mode='predict')

    def training(self, dtype: str) -> None:
        """Forward, loss, backward and a step of AdamW, as our recipe's."""
        self.model.train()
        with self._autocast(dtype):
            losses = self.model(*self._batch(), mode='loss')
            loss, _ = self.model.parse_losses(losses)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def products(self, dtype: str) -> None:
        """A VideoMamba's matrix products alone, forward.

        In the dtype itself instead of under autocast: casts are no products.
        """
        if dtype not in self._products:
            products = MatrixProducts(find_backbone(self.model), self.clips)
            if DTYPES[dtype] != self.clips.dtype:
                products = copy.deepcopy(products).to(DTYPES[dtype])
            self._products[dtype] = products, self.clips.to(DTYPES[dtype])
        products, clips = self._products[dtype]
        with torch.no_grad():
            products(clips)

    def time(self, what: str, dtype: str) -> float:
        """Seconds of 'forward', 'training' or 'products', warmed up."""
        call = partial(getattr(self, what), dtype)
        duration = warm_seconds(call, self.device)
        give_back_memory(self.device)
        return duration

    def memory(self, what: str, dtype: str) -> dict:
        """`memory` and `memory_per_clip` of a pass, in bytes."""
        peak = peak_memory(partial(getattr(self, what), dtype), self.device)
        give_back_memory(self.device)
        held = self.held_by_optimizer() if what == 'training' else 0
        return dict(memory=peak + held, memory_per_clip=peak / len(self.clips))

    def held_by_optimizer(self) -> int:
        """Bytes of the optimizer's state."""
        return sum(
            value.nbytes
            for state in self.optimizer.state.values()
            for value in state.values()
        )

    def complexity(self) -> dict:
        """Parameters and multiply-accumulates of one clip."""
        one_view = (1, 1, *self.clips.shape[1:])
        cost = count_complexity(self.model, one_view)
        return dict(
            parameters=cost.parameters,
            paper_macs=cost.paper,
            complete_macs=cost.complete,
        )

    def products_macs(self) -> int:
        """Multiply-accumulates of the matrix products alone, of one clip."""
        products = MatrixProducts(find_backbone(self.model), self.clips[:1])
        one_clip = (1, *self.clips.shape[1:])
        return count_complexity(products, one_clip).complete

    def _autocast(self, dtype: str) -> torch.autocast:
        return torch.autocast(
            self.device, torch.bfloat16, enabled=dtype == 'bf16'
        )

    def _batch(self) -> Tuple[Tensor, List[ActionDataSample]]:
        samples = [ActionDataSample().set_gt_label(0) for _ in self.clips]
        return self.clips[:, None], samples


def build_workload(
    name: str, frames: int, batch_size: int, device: str
) -> ModelWorkload:
    """Build a benchmarked model and clips of 224 x 224 for it."""
    warnings.filterwarnings('ignore', 'torch.meshgrid')  # VideoSwin's
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(model_config(name, frames)).to(device)
    if BENCHMARKED_MODELS[name].fused_attention:
        fuse_attention(model)
    clips = torch.randn(batch_size, 3, frames, 224, 224, device=device)
    return ModelWorkload(model, clips)


def measure_models(
    entries: Sequence[Entry],
    passes: Sequence[str] = PASSES,
    batch_size: int = 1,
    device: str = 'cpu',
    rounds: int = 7,
    budget: float = float('inf'),
    build: Callable[..., ModelWorkload] = build_workload,
) -> List[dict]:
    """Measure models side by side.

    Args:
        entries (Sequence[Entry]): What to compare; the first that runs is the
            baseline of the ratios.
        passes (Sequence[str]): Of `PASSES`.
        batch_size (int): Clips of a pass.
        device (str): 'cpu' or 'cuda'.
        rounds (int): Timings of each model and pass.
        budget (float): Seconds, see `compare`.
        build (Callable): As `build_workload`; can be pickled.

    Returns:
        list[dict]: Results, see `record.py`, of each entry and, in the
        forward pass, of each VideoMamba's matrix products.
    """
    hosts: Dict[Tuple[str, int], Tuple[Callable, dict]] = {}
    with ExitStack() as stack:

        def prepare(
            entry: Entry, pass_name: str
        ) -> Tuple[Callable[[], float], dict]:
            key = entry.model, entry.frames
            if key not in hosts:
                call = stack.enter_context(
                    isolated_process(build, *key, batch_size, device)
                )
                hosts[key] = call, call('complexity')
            call, complexity = hosts[key]
            memory = call('memory', pass_name, entry.dtype)

            def time() -> float:
                with busy_processes(entry.busy):
                    return call('time', pass_name, entry.dtype)

            return time, dict(complexity, **memory)

        def prepare_products(
            entry: Entry, pass_name: str
        ) -> Optional[Tuple[Callable[[], float], dict]]:
            key = entry.model, entry.frames
            if pass_name != 'forward' or key not in hosts:
                return None
            call, _ = hosts[key]
            time = partial(call, 'time', 'products', entry.dtype)
            time()
            return time, dict(complete_macs=call('products_macs'))

        contenders = []
        for entry in entries:
            about = dict.fromkeys(COSTS)
            about.update(batch_size=batch_size, **entry._asdict())
            rows: List[Tuple[str, Callable]] = [(entry.name, prepare)]
            videomamba = BENCHMARKED_MODELS[entry.model].videomamba
            if videomamba is not None and not entry.busy:
                rows += [(f'{entry.name}, {PRODUCTS}', prepare_products)]
            contenders += [
                Contender(name, about, partial(function, entry))
                for name, function in rows
            ]
        return compare(contenders, passes, rounds, budget)
