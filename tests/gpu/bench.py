"""Inputs and clocks for `gpu_first.py`."""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor


class Sizes(NamedTuple):
    """Of one block of VideoMamba-S on clips of 16 frames."""

    K: int = 2
    D: int = 768
    N: int = 16
    dt_rank: int = 24
    L: int = 1569
    batch: int = 64


TOY = Sizes(D=64, L=21, batch=2)


class ScanInputs(NamedTuple):
    """What a mixer hands to the scan.

    Attributes:
        xz (Tensor): (B, L, 2 D), the convolution's input and the gate.
        scan (list[Tensor]): u, delta, A, B, C, D, z, delta_bias.
        order (Tensor): (K, L), as they are and backwards.
    """

    xz: Tensor
    scan: List[Tensor]
    order: Tensor


class Bench:
    """The device and the sizes that are measured.

    Args:
        dry (bool): Run everything once at toy sizes on the CPU, the kernels
            from their PTX. Times are zero then.
    """

    def __init__(self, dry: bool) -> None:
        self.dry = dry
        self.device = 'cpu' if dry else 'cuda'
        self.sizes = TOY if dry else Sizes()
        if dry:
            from without_a_gpu import run_operators_from_ptx

            run_operators_from_ptx(capability=90)

    @property
    def batches(self) -> Tuple[int, ...]:
        """A batch that fills the GPU, one that does not, one clip."""
        return (2, 1) if self.dry else (self.sizes.batch, 8, 1)

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
    ) -> ScanInputs:
        """Views of projections; delta and A as Mamba initialises them."""
        K, D, N, dt_rank, length, _ = self.sizes
        L = length if L is None else L
        torch.manual_seed(0)
        xz = self.randn(batch, L, 2 * D, dtype=dtype)
        projected = self.randn(K, batch, L, dt_rank + 2 * N, dtype=dtype)
        steps = torch.logspace(-3, -1, D, device=self.device).expand(K, D)
        states = torch.arange(1.0, N + 1, device=self.device)
        tokens = torch.arange(L, device=self.device)
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
        return ScanInputs(xz, scan, torch.stack([tokens, tokens.flip(0)]))

    def median_ms(self, call: Callable[[], object], calls: int = 20) -> float:
        """Median device time of a call, queued back to back."""
        if self.dry:
            call()
            return 0.0
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
        times = {}
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
