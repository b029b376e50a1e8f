"""Inputs and clocks of the check on a GPU."""

import gc
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from mmvideomamba.cuda_graphs import capture_graph


class Sizes(NamedTuple):
    """Of one block of VideoMamba-S on clips of 16 frames."""

    K: int = 2
    D: int = 768
    N: int = 16
    dt_rank: int = 24
    L: int = 1569
    batch: int = 64


TOY = Sizes(D=64, N=8, dt_rank=2, L=5, batch=1)


class ScanInputs(NamedTuple):
    """What a mixer hands to the scan.

    Attributes:
        xz (Tensor): (B, L, 2 D), the convolution's input and the gate.
        scan (list[Tensor]): u, delta, A, B, C, D, z, delta_bias.
        order (Tensor): (K, L), see `Bench.orders`.
    """

    xz: Tensor
    scan: List[Tensor]
    order: Tensor


class Bench:
    """The device and the sizes that are measured.

    Args:
        dry (bool): Run everything once at toy sizes on the CPU. Times say
            nothing then.
    """

    def __init__(self, dry: bool) -> None:
        self.dry = dry
        self.device = 'cpu' if dry else 'cuda'
        self.sizes = TOY if dry else Sizes()

    @property
    def batches(self) -> Tuple[int, ...]:
        """A batch that fills the GPU, one that does not, one clip."""
        return (1,) if self.dry else (self.sizes.batch, 8, 1)

    @property
    def has_bfloat16(self) -> bool:
        """Whether the kernels compute in it here: not on a T4."""
        return self.dry or torch.cuda.get_device_capability() >= (8, 0)

    def synchronize(self) -> None:
        if not self.dry:
            torch.cuda.synchronize()

    def randn(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(*shape, device=self.device).to(dtype)

    def empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)

    def scan_inputs(
        self,
        batch: int,
        dtype: torch.dtype = torch.bfloat16,
        L: Optional[int] = None,
        K: int = 2,
    ) -> ScanInputs:
        """Views of projections; delta and A as Mamba initialises them."""
        _, D, N, dt_rank, length, _ = self.sizes
        L = length if L is None else L
        torch.manual_seed(0)
        xz = self.randn(batch, L, 2 * D, dtype=dtype)
        projected = self.randn(K, batch, L, dt_rank + 2 * N, dtype=dtype)
        steps = torch.logspace(-3, -1, D, device=self.device).expand(K, D)
        states = torch.arange(1.0, N + 1, device=self.device)
        scan = [
            self.randn(K, batch, L, D, dtype=dtype),
            (self.randn(K, batch, L, D) * 0.3).to(dtype),
            -states.expand(K, D, N).contiguous(),
            projected[..., dt_rank : dt_rank + N],
            projected[..., dt_rank + N :],
            torch.ones(K, D, device=self.device),
            xz[..., D:],
            steps + torch.log(-torch.expm1(-steps)),
        ]
        return ScanInputs(xz, scan, self.orders(K, L))

    def orders(self, K: int, L: int) -> Tensor:
        """(K, L): as they are, backwards, and both from the middle on."""
        tokens = torch.arange(L, device=self.device)
        turned = tokens.roll(L // 2)
        return torch.stack(
            [tokens, tokens.flip(0), turned, turned.flip(0)][:K]
        )

    def median_ms(self, call: Callable[[], object], calls: int = 20) -> float:
        """Median device time of a call, queued back to back."""
        if self.dry:
            call()
            return 1.0
        for _ in range(3):
            call()
        events = [
            [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            for _ in range(calls)
        ]
        for start, end in events:
            start.record()
            call()
            end.record()
        self.synchronize()
        times = sorted(start.elapsed_time(end) for start, end in events)
        return times[calls // 2]

    def wall_ms(self, call: Callable[[], object], calls: int = 50) -> float:
        """Mean time of a call on the clock, launches and all."""
        call()
        self.synchronize()
        calls = 1 if self.dry else calls
        start = time.perf_counter()
        for _ in range(calls):
            call()
        self.synchronize()
        return (time.perf_counter() - start) / calls * 1e3

    def capture(self, function: Callable, *inputs: Tensor) -> Callable:
        """A CUDA graph of a function; the function itself on a CPU."""
        return function if self.dry else capture_graph(function, *inputs)

    def memory_MB(self, call: Callable[[], object]) -> Optional[float]:
        """The most that tensors take during a call; None on a CPU."""
        if self.dry:
            call()
            return None
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 1e6

    def fit(
        self, clips: int, measure: Callable[[int], dict]
    ) -> Iterator[dict]:
        """What is measured with so many clips, or half until they fit.

        Yields:
            dict: A remark for each number that does not fit, then the record
            of the one which does.

        Raises:
            RuntimeError: Not even one clip fits.
        """
        while clips:
            try:
                record = dict(clips=clips, **measure(clips))
            except torch.OutOfMemoryError:
                taking = f'taking {clips // 2}' if clips > 1 else 'none fits'
                record = dict(clips=clips, remark=f'out of memory; {taking}')
            # Outside of the handler, whose traceback holds tensors.
            self.free()
            yield record
            if 'remark' not in record:
                return
            clips //= 2
        raise RuntimeError('not even one clip fits into memory')

    def free(self) -> None:
        """Give back what no variable holds any more."""
        gc.collect()
        if not self.dry:
            torch.cuda.empty_cache()

    def kernel_times(
        self, call: Callable[[], object], calls: int = 5
    ) -> Dict[str, Tuple[float, float]]:
        """Device ms and launches a call of its 40 slowest kernels."""
        if self.dry:
            call()
            return {}
        from torch.profiler import ProfilerActivity, profile

        call()
        self.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            for _ in range(calls):
                call()
            self.synchronize()
        times: Dict[str, Tuple[float, float]] = {}
        for event in profiler.key_averages():
            # Older than torch 2.4 calls it cuda.
            total = getattr(event, 'self_device_time_total', None)
            total = total or getattr(event, 'self_cuda_time_total', 0)
            if total:
                ms = round(total / calls / 1e3, 4)
                times[event.key[:70]] = ms, round(event.count / calls, 2)
        slowest = sorted(times.items(), key=lambda item: -item[1][0])
        return dict(slowest[:40])


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """The largest error over the largest magnitude expected."""
    expected = expected.double()
    scale = expected.abs().max().clamp_min(1e-30)
    return ((actual.double() - expected).abs().max() / scale).item()


def two_digits(number: float) -> float:
    return float(f'{number:.1e}')
