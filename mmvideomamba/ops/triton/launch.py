"""What is launched on the GPU for `selective_scan`, in which order.

Forward:

    forward_kernel   y of each direction, float32
    gate_kernel      SiLU(z) * the sum of the directions, which is kept

Backward:

    gate_gradient_kernel   gradients of the sum and of z
    replay_kernel    scans again: states every GROUP steps; dC, dD
    backward_kernel  from the last step to the first: all other gradients

Where the batch is too small to fill the GPU, time is cut into segments: first
each is scanned from zero, for where it ends alone; `chain_kernel` turns those
ends into the true starts; then all run at once. This takes every exponential
twice, so a batch that fills the GPU is never cut.
"""

from functools import cache
from typing import Any, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from . import kept_dtype, scan_backward, scan_forward
from .options import (
    LAUNCH,
    given_or_token_order,
    require_arithmetic,
    require_int32_offsets,
)

# Steps that are loaded while as many before them are computed, and whose
# states the backward pass holds in registers; more would spill.
GROUP = 4
# Of the forward scan that takes no softplus: unless it is told these, the
# assembler takes 128 and spills.
FORWARD_REGISTERS = 168
# Channels per program of one warp in the backward pass.
REPLAY_BLOCK, BACKWARD_BLOCK = 64, 32
# Scans have a multiple of so many channels, and so many states or a larger
# power of two. No block is masked then, and the compiler lays several
# channels on each lane of the backward pass: lanes that hold copies of a sum
# over channels have added in one order, and agree to the bit.
CHANNELS, FEWEST_STATES = 64, 8
# Shortest segment worth its share of the chain, a multiple of GROUP.
SHORTEST_SEGMENT = 32
# Below this the scheduler of a multiprocessor runs out of warps; and no more
# of `backward_kernel` fit its registers.
WARPS_PER_MULTIPROCESSOR = 8
# Of the kernels of the gate.
GATE_BLOCKS = dict(BLOCK_L=16, BLOCK_D=64)


class Blocks(NamedTuple):
    """How one scan is cut: channels per program, steps per segment."""

    channels: int
    steps: int
    segments: int


def selective_scan(save: bool, *inputs: Any) -> Tuple[Tensor, Tensor]:
    """Run the forward kernels; the sum of the directions is kept.

    Arguments and results here and below as `registration.py` declares them.
    """
    with torch.cuda.device_of(inputs[0]):
        return _scan(*inputs).forward(save)


def selective_scan_backward(
    grad: Tensor, kept: Tensor, *inputs: Any
) -> List[Tensor]:
    """Run the backward kernels."""
    with torch.cuda.device_of(grad):
        gradients = _scan(*inputs).backward(grad, kept)
    return [
        g.to(t.dtype).contiguous()
        for t, g in zip(inputs, gradients)
        if t is not None and g is not None
    ]


def _scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *others: Any
) -> 'Scan':
    projected = torch.cat((B, C), dim=-1).float().contiguous()
    return Scan(u, delta, A, projected, *others)


class Scan:
    """One call: its arguments as the kernels want them, and the launches.

    Args:
        projected (Tensor): (K, B, L, P) float32, contiguous; B and C of a
            token are the last 2 N of its row.
        applied (bool): delta is what softplus has made of it.
        others: As `registration.py` declares them.
    """

    def __init__(
        self,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        projected: Tensor,
        D: Optional[Tensor],
        z: Optional[Tensor],
        delta_bias: Optional[Tensor],
        delta_softplus: bool,
        order: Optional[Tensor],
        applied: bool = False,
    ) -> None:
        K, batch, L, self.channels = u.shape
        self.states = A.shape[2]
        N = max(triton.next_power_of_2(self.states), FEWEST_STATES)
        more_states = N - self.states
        self.u = self._widen(u)
        self.delta = self._widen(delta)
        A = A.float()
        if more_states:
            A = F.pad(A, (0, more_states))
            BC = projected[..., projected.shape[3] - 2 * self.states :]
            halves = BC.tensor_split(2, dim=-1)
            pair = [F.pad(t, (0, more_states)) for t in halves]
            projected = torch.cat(pair, dim=-1).contiguous()
        self.A = self._widen(A.transpose(1, 2))
        width = projected.shape[3]
        self.BC = projected[..., width - 2 * N :]
        self.D = None if D is None else self._widen(D.float())
        self.bias = (
            None if delta_bias is None else self._widen(delta_bias.float())
        )
        self.order = given_or_token_order(order, K, L, u.device)
        if z is not None and z.stride(-1) != 1:
            z = z.contiguous()
        self.z = z
        self.z_strides = (0, 0) if z is None else z.stride()[:2]
        self.kept_dtype = kept_dtype(u.dtype)

        channels = self.u.shape[3]
        require_arithmetic(u)
        require_int32_offsets(L, max(channels, width))
        self.rows = K * batch
        self.sizes = (batch, L, channels)
        self.options = dict(N=N, BC_WIDTH=width)
        self.options.update(SOFTPLUS=delta_softplus, APPLIED=applied)
        self.options.update(LAUNCH, num_warps=1)

    def forward(self, save: bool) -> Tuple[Tensor, Tensor]:
        self._cut(backward=False)
        y = self._new(*self.u.shape)
        self._forward_kernel(self._starts(across=True), y, None, None)
        shape = (*self.sizes[:2], self.channels)
        out = self.u.new_empty(shape)
        kept = None
        if save and self.z is not None:
            kept = self._new(*shape, dtype=self.kept_dtype)
        scan_forward.gate_kernel[self._gate_grid()](
            y,
            self.z,
            out,
            kept,
            *self.z_strides,
            *self.sizes,
            self.channels,
            K=len(self.u),
            **GATE_BLOCKS,
            **LAUNCH,
        )
        if kept is None:
            kept = self._new(0, dtype=self.kept_dtype)
        return out, kept

    def backward(
        self, grad: Tensor, kept: Tensor, dz: Optional[Tensor] = None
    ) -> Tuple[Any, ...]:
        """Gradients of all inputs; dz is written to where there is one.

        Softplus applied before makes that of delta the one before softplus.
        """
        self._cut(backward=True)
        K, batch, L, channels = self.u.shape
        N = self.options['N']
        dy, dz = self._gate_gradient(grad.contiguous(), kept, dz)
        tile_size = channels * N
        args = (*self.sizes, self.blocks.steps)
        options = dict(self.options, GROUP=GROUP)
        A = self.A.transpose(1, 2).contiguous()

        groups = triton.cdiv(L, GROUP)
        states = self._new(
            self.rows, groups, channels, N, dtype=self.kept_dtype
        )
        dC = self._parts(REPLAY_BLOCK)
        dD = None if self.D is None else self._per_segment(channels)
        scan_backward.replay_kernel[self._grid(REPLAY_BLOCK)](
            dy,
            self.u,
            self.delta,
            A,
            self.BC,
            self.bias,
            self.order,
            self._starts(across=False),
            states,
            dC,
            dD,
            *args,
            tile_size,
            BLOCK_D=REPLAY_BLOCK,
            **options,
        )
        # At once: the parts that it sums are no longer needed.
        dC = self._add_up(dC)
        carries = None
        if self.blocks.segments > 1:
            ends = self._per_segment(N, channels)
            scan_backward.adjoint_ends_kernel[self._grid(BACKWARD_BLOCK)](
                dy,
                self.delta,
                self.A,
                self.BC,
                self.bias,
                self.order,
                ends,
                *args,
                BLOCK_D=BACKWARD_BLOCK,
                **self.options,
            )
            carries = self._chain(ends, reverse=True, across=False)

        du = torch.empty_like(self.u)
        ddelta = torch.empty_like(self.delta)
        dA = self._per_segment(channels, N)
        dB = self._parts(BACKWARD_BLOCK)
        dbias = self._per_segment(channels)
        scan_backward.backward_kernel[self._grid(BACKWARD_BLOCK)](
            dy,
            self.u,
            self.delta,
            A,
            self.BC,
            self.D,
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
            tile_size,
            BLOCK_D=BACKWARD_BLOCK,
            **options,
        )
        return (
            self._narrow(du),
            self._narrow(ddelta),
            dA.sum((1, 2))[:, : self.channels, : self.states],
            self._add_up(dB),
            dC,
            None if dD is None else self._narrow(dD.sum((1, 2))),
            dz,
            self._narrow(dbias.sum((1, 2))),
        )

    def _cut(self, backward: bool) -> None:
        _, L, channels = self.sizes
        self.blocks = choose_blocks(
            self.rows, L, channels, self.u.device, backward
        )

    def _gate_gradient(
        self, grad: Tensor, kept: Tensor, dz: Optional[Tensor]
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """Gradients of the directions' sum and of z."""
        if self.z is None:
            return self._widen(grad), None
        dy = self._new(*self.sizes, dtype=self.kept_dtype)
        dz = torch.empty_like(grad) if dz is None else dz
        scan_backward.gate_gradient_kernel[self._gate_grid()](
            grad,
            self.z,
            kept,
            dy,
            dz,
            *self.z_strides,
            *dz.stride()[:2],
            *self.sizes,
            self.channels,
            **GATE_BLOCKS,
            **LAUNCH,
        )
        return dy, dz

    def _gate_grid(self) -> Tuple[int, int]:
        batch, L, channels = self.sizes
        tiles = triton.cdiv(L, GATE_BLOCKS['BLOCK_L'])
        return batch * tiles, channels // GATE_BLOCKS['BLOCK_D']

    def _starts(self, across: bool) -> Optional[Tensor]:
        """The state before each segment; None where there is one segment.

        Its last two axes are (N, D) if `across`, else (D, N).
        """
        if self.blocks.segments == 1:
            return None
        ends = self._per_segment(self.options['N'], self.sizes[-1])
        self.totals = self._per_segment(self.sizes[-1])
        self._forward_kernel(None, None, ends, self.totals)
        return self._chain(ends, reverse=False, across=across)

    def _forward_kernel(
        self,
        starts: Optional[Tensor],
        y: Optional[Tensor],
        ends: Optional[Tensor],
        totals: Optional[Tensor],
    ) -> None:
        scan_forward.forward_kernel[self._grid(self.blocks.channels)](
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
            BLOCK_D=self.blocks.channels,
            GROUP=GROUP,
            maxnreg=FORWARD_REGISTERS if self.options['APPLIED'] else None,
            **self.options,
        )

    def _chain(self, ends: Tensor, reverse: bool, across: bool) -> Tensor:
        batch, _, channels = self.sizes
        N = self.options['N']
        starts = torch.empty_like(ends)
        block = 32
        scan_forward.chain_kernel[self.rows * (channels // block),](
            ends,
            self.totals,
            self.A,
            starts,
            *((channels, 1) if across else (1, N)),
            batch,
            channels,
            self.blocks.segments,
            REVERSE=reverse,
            N=N,
            BLOCK_D=block,
            num_warps=1,
            **LAUNCH,
        )
        return starts

    def _grid(self, block: int) -> Tuple[int, int]:
        """Programs of so many channels, see `scan_place`."""
        blocks = self.sizes[-1] // block
        return self.rows * blocks, self.blocks.segments

    def _parts(self, block: int) -> Tensor:
        """For sums over the channels of a block each."""
        K, batch, L, channels = self.u.shape
        shape = K, batch, channels // block, L, self.options['N']
        return self._new(*shape, dtype=self.kept_dtype)

    def _add_up(self, parts: Tensor) -> Tensor:
        total = parts.sum(2, dtype=torch.float32)
        return total[..., : self.states]

    def _per_segment(self, *shape: int) -> Tensor:
        """(K, batch, segments, *shape), float32."""
        return self._new(*self.u.shape[:2], self.blocks.segments, *shape)

    def _new(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.u.new_empty(shape, dtype=dtype)

    def _widen(self, t: Tensor) -> Tensor:
        """Append zeros to the last axis, up to a multiple of CHANNELS."""
        more = -self.channels % CHANNELS
        return (F.pad(t, (0, more)) if more else t).contiguous()

    def _narrow(self, t: Tensor) -> Tensor:
        """Without what `_widen` appended."""
        return t[..., : self.channels].contiguous()


def choose_blocks(
    rows: int, L: int, channels: int, device: torch.device, backward: bool
) -> Blocks:
    """Cut a scan of `rows` sequences so that it fills the GPU.

    Two channels a lane share the loads of B and C; with too few warps for
    that, one; with too few still, segments. Kernels of the backward pass have
    channels of their own: those are for where segments start.
    """
    wanted = WARPS_PER_MULTIPROCESSOR * multiprocessors(device)
    # No numbers are as good as many: there is nothing to cut.
    if rows * channels == 0 or rows * channels // 64 >= wanted:
        return Blocks(64, L, 1)
    warps = rows * channels // 32
    if backward:
        # No more warps run at once: others would wait for the first to end.
        segments, fewest = wanted // warps, 2
    else:
        # Two would gain nothing: where segments start takes as long as they.
        # Backwards it takes a quarter of the time.
        segments, fewest = triton.cdiv(wanted, warps), 3
    segments = min(segments, triton.cdiv(L, SHORTEST_SEGMENT))
    if segments < fewest:
        return Blocks(32, L, 1)
    steps = triton.cdiv(triton.cdiv(L, segments), GROUP) * GROUP
    return Blocks(32, steps, triton.cdiv(L, steps))


@cache
def multiprocessors(device: torch.device) -> int:
    if device.type != 'cuda':
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count
