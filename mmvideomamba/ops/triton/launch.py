"""What is launched on the GPU for `selective_scan`, in which order.

Forward:

    forward_kernel   y of each direction, float32
    gate_kernel      SiLU(z) * the sum of the directions

Backward, from the inputs alone:

    replay_kernel    scans again: states every CHUNK steps; dC, dD, dz
    backward_kernel  from the last step to the first: all other gradients

Where the batch is too small to fill the GPU, time is cut into segments: first
each is scanned from zero, for where it ends alone; `chain_kernel` turns those
ends into the true starts; then all run at once. This takes every exponential
twice, so a batch that fills the GPU is never cut.
"""

from functools import cache
from typing import Any, List, NamedTuple, Optional, Tuple

import torch
import triton
from torch import Tensor

from . import scan_backward, scan_forward
from .conv import causal_conv1d, causal_conv1d_backward

__all__ = [
    'causal_conv1d',
    'causal_conv1d_backward',
    'selective_scan',
    'selective_scan_backward',
    'try_launch',
]

# Steps whose states the backward pass holds in registers; more would spill.
CHUNK = 4
# Channels per program of one warp in the backward pass.
REPLAY_BLOCK, BACKWARD_BLOCK = 64, 32
# Shortest segment worth its share of the chain, a multiple of CHUNK.
SHORTEST_SEGMENT = 32
# Below this the scheduler of a multiprocessor runs out of warps.
WARPS_PER_MULTIPROCESSOR = 8


class Blocks(NamedTuple):
    """How one scan is cut: channels per program, steps per segment."""

    channels: int
    steps: int
    segments: int


def selective_scan(save: bool, *inputs: Any) -> Tuple[Tensor, Tensor]:
    """Run the forward kernels; nothing is kept for the backward pass.

    Arguments and results here and below as `registration.py` declares them.
    """
    u = inputs[0]
    with torch.cuda.device_of(u):
        out = _Scan(*inputs).forward()
    return out, u.new_empty(0, dtype=torch.float32)


def selective_scan_backward(
    grad: Tensor, states: Tensor, *inputs: Any
) -> List[Tensor]:
    """Run the backward kernels, from the inputs alone."""
    with torch.cuda.device_of(grad):
        gradients = _Scan(*inputs).backward(grad.contiguous())
    return [
        g.to(t.dtype).contiguous()
        for t, g in zip(inputs, gradients)
        if t is not None and g is not None
    ]


class _Scan:
    """One call: its arguments as the kernels want them, and the launches."""

    def __init__(
        self,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Optional[Tensor],
        z: Optional[Tensor],
        delta_bias: Optional[Tensor],
        delta_softplus: bool,
        order: Optional[Tensor],
    ) -> None:
        K, batch, L, channels = u.shape
        self.u = u.contiguous()
        self.delta = delta.contiguous()
        self.A = A.float().transpose(1, 2).contiguous()
        self.BC = torch.stack((B, C), dim=3).float()
        self.D = None if D is None else D.float().contiguous()
        if z is not None and z.stride(-1) != 1:
            z = z.contiguous()
        self.z = z
        self.z_strides = (0, 0) if z is None else z.stride()[:2]
        self.bias = (
            None if delta_bias is None else delta_bias.float().contiguous()
        )
        self.order = None if order is None else order.contiguous()

        self.sizes = (batch, L, channels)
        self.rows = K * batch
        states = A.shape[2]
        self.state_args = dict(N=states, N_PAD=triton.next_power_of_2(states))
        self.softplus = dict(SOFTPLUS=delta_softplus)
        self.blocks = choose_blocks(self.rows, L, channels, u.device)

    def forward(self) -> Tensor:
        K, batch, L, channels = self.u.shape
        y = self._new(K, batch, L, channels)
        self._forward_kernel(self._starts(), y, None, None)
        out = torch.empty_like(self.u[0])
        block_l, block_d = 16, 128
        grid = (batch, triton.cdiv(L, block_l), triton.cdiv(channels, block_d))
        scan_forward.gate_kernel[grid](
            y,
            self.z,
            out,
            *self.z_strides,
            *self.sizes,
            K=K,
            BLOCK_L=block_l,
            BLOCK_D=block_d,
        )
        return out

    def backward(self, grad: Tensor) -> Tuple[Optional[Tensor], ...]:
        K, batch, L, channels = self.u.shape
        N = self.state_args['N']
        args = (*self.z_strides, *self.sizes, self.blocks.steps)
        options = dict(**self.state_args, **self.softplus, num_warps=1)

        def grid(block: int) -> Tuple[int, int, int]:
            blocks = triton.cdiv(channels, block)
            return self.rows, blocks, self.blocks.segments

        states = self._new(self.rows, triton.cdiv(L, CHUNK), N, channels)
        dC = self._new(grid(REPLAY_BLOCK)[1], K, batch, L, N)
        dD = None if self.D is None else self._per_segment(channels)
        dz = None if self.z is None else self._new(*self.u.shape)
        scan_backward.replay_kernel[grid(REPLAY_BLOCK)](
            grad,
            self.u,
            self.delta,
            self.A,
            self.BC,
            self.D,
            self.z,
            self.bias,
            self.order,
            self._starts(),
            states,
            dC,
            dD,
            dz,
            *args,
            CHUNK=CHUNK,
            BLOCK_D=REPLAY_BLOCK,
            **options,
        )
        carries = None
        if self.blocks.segments > 1:
            ends = self._per_segment(N, channels)
            scan_backward.adjoint_ends_kernel[grid(BACKWARD_BLOCK)](
                grad,
                self.delta,
                self.A,
                self.BC,
                self.z,
                self.bias,
                self.order,
                ends,
                *args,
                BLOCK_D=BACKWARD_BLOCK,
                **options,
            )
            carries = self._chain(ends, reverse=True)

        du = torch.empty_like(self.u)
        ddelta = torch.empty_like(self.delta)
        dA = self._per_segment(N, channels)
        dB = self._new(grid(BACKWARD_BLOCK)[1], K, batch, L, N)
        dbias = self._per_segment(channels)
        scan_backward.backward_kernel[grid(BACKWARD_BLOCK)](
            grad,
            self.u,
            self.delta,
            self.A,
            self.BC,
            self.D,
            self.z,
            self.bias,
            self.order,
            states,
            carries,
            du,
            ddelta,
            dA,
            dB,
            dbias,
            *args,
            CHUNK=CHUNK,
            BLOCK_D=BACKWARD_BLOCK,
            **options,
        )
        return (
            du,
            ddelta,
            dA.sum((1, 2)).transpose(1, 2),
            dB.sum(0),
            dC.sum(0),
            None if dD is None else dD.sum((1, 2)),
            None if dz is None else dz.sum(0),
            dbias.sum((1, 2)),
        )

    def _starts(self) -> Optional[Tensor]:
        """The state before each segment; None where there is one segment."""
        if self.blocks.segments == 1:
            return None
        _, _, channels = self.sizes
        ends = self._per_segment(self.state_args['N'], channels)
        self.totals = self._per_segment(channels)
        self._forward_kernel(None, None, ends, self.totals)
        return self._chain(ends, reverse=False)

    def _forward_kernel(
        self,
        starts: Optional[Tensor],
        y: Optional[Tensor],
        ends: Optional[Tensor],
        totals: Optional[Tensor],
    ) -> None:
        channels = self.blocks.channels
        grid = (
            self.rows,
            triton.cdiv(self.sizes[-1], channels),
            self.blocks.segments,
        )
        scan_forward.forward_kernel[grid](
            self.u,
            self.delta,
            self.A,
            self.BC,
            self.D,
            self.bias,
            self.order,
            starts,
            y,
            ends,
            totals,
            *self.sizes,
            self.blocks.steps,
            **self.state_args,
            **self.softplus,
            BLOCK_D=channels,
            num_warps=1,
        )

    def _chain(self, ends: Tensor, reverse: bool) -> Tensor:
        batch, _, channels = self.sizes
        starts = torch.empty_like(ends)
        block = 32
        scan_forward.chain_kernel[self.rows, triton.cdiv(channels, block)](
            ends,
            self.totals,
            self.A,
            starts,
            batch,
            channels,
            self.blocks.segments,
            REVERSE=reverse,
            **self.state_args,
            BLOCK_D=block,
            num_warps=1,
        )
        return starts

    def _per_segment(self, *shape: int) -> Tensor:
        """(K, batch, segments, *shape), float32."""
        return self._new(*self.u.shape[:2], self.blocks.segments, *shape)

    def _new(self, *shape: int) -> Tensor:
        return self.u.new_empty(shape, dtype=torch.float32)


def choose_blocks(
    rows: int, L: int, channels: int, device: torch.device
) -> Blocks:
    """Cut a scan of `rows` sequences so that it fills the GPU.

    Two channels a lane share the loads of B and C; with too few warps for
    that, one; with too few still, segments.
    """
    wanted = WARPS_PER_MULTIPROCESSOR * multiprocessors(device)
    # An empty batch is as good as a full one: there is nothing to cut.
    if rows == 0 or rows * triton.cdiv(channels, 64) >= wanted:
        return Blocks(64, L, 1)
    missing = triton.cdiv(wanted, rows * triton.cdiv(channels, 32))
    segments = min(missing, triton.cdiv(L, SHORTEST_SEGMENT))
    # Two segments would gain nothing: every exponential is taken twice.
    if segments <= 2:
        return Blocks(32, L, 1)
    steps = triton.cdiv(triton.cdiv(L, segments), CHUNK) * CHUNK
    return Blocks(32, steps, triton.cdiv(L, steps))


@cache
def multiprocessors(device: torch.device) -> int:
    if device.type != 'cuda':
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


@triton.jit
def idle_kernel(number):  # type: ignore[no-untyped-def]  # Triton's
    """Do nothing."""


def try_launch() -> None:
    """Launch a kernel on the current device; Triton raises what is missing.

    Importing Triton says little: before its first kernel it looks for a
    driver, and a C compiler makes the library that launches. A number is the
    only argument: unlike a tensor it is real while torch.compile traces.
    """
    idle_kernel[(1,)](2)
