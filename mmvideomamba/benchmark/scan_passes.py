"""What `benchmark_scan.py` times: a scan of a size, by an engine or a peer."""

from typing import Callable, Dict, NamedTuple, Optional

import torch

from ..ops import selective_scan
from ..ops.api import BACKENDS
from .scan_baselines import PEERS, Peer
from .timing import seconds_awake


class Case(NamedTuple):
    dtype: torch.dtype
    batch: int
    length: int
    channels: int
    states: int
    device: str

    @property
    def exps(self) -> int:
        return 2 * self.batch * self.length * self.channels * self.states


def make_inputs(case: Case) -> dict:
    """What the mixer hands over: views of projections, directions K = 2."""
    torch.manual_seed(0)
    K, B, L, D, N = 2, case.batch, case.length, case.channels, case.states
    factory = dict(device=case.device, dtype=case.dtype)
    wide = dict(device=case.device)
    dt_rank = D // 32
    projected = torch.randn(K, B, L, dt_rank + 2 * N, **factory)
    _, in_B, in_C = projected.split([dt_rank, N, N], dim=-1)
    tokens = torch.arange(L, device=case.device)
    return dict(
        u=torch.randn(K, B, L, D, **factory),
        delta=torch.randn(K, B, L, D, **factory),
        A=-torch.arange(1.0, N + 1, **wide).expand(K, D, N).contiguous(),
        B=in_B,
        C=in_C,
        D=torch.ones(K, D, **wide),
        z=torch.randn(B, L, 2 * D, **factory).chunk(2, dim=-1)[1],
        delta_bias=torch.full((K, D), -4.0, **wide),
        order=torch.stack([tokens, tokens.flip(0)]),
    )


def candidates() -> Dict[str, Peer]:
    """Our engines by name, then the peers."""

    def bind(name: str) -> Peer:
        return Peer(
            lambda inputs: selective_scan(
                **inputs, delta_softplus=True, backend=name
            ),
            BACKENDS[name].why_not,
        )

    return {**{name: bind(name) for name in BACKENDS}, **PEERS}


def why_not(peer: Peer, device: str, backward: bool) -> Optional[str]:
    """Why a candidate sits out a pass on a device."""
    if backward and not peer.trainable:
        return 'a backward pass of minutes'
    return peer.why_not(device)


def make_pass(peer: Peer, inputs: dict, backward: bool) -> Callable:
    """A call without arguments that runs one pass."""
    arranged = peer.arrange(inputs)
    if not backward:

        def forward() -> None:
            with torch.no_grad():
                peer.scan(arranged)

        return forward

    leaves = {
        name: t.detach().requires_grad_(t.is_floating_point())
        for name, t in arranged.items()
    }
    wanted = [t for t in leaves.values() if t.requires_grad]
    with torch.no_grad():
        weights = torch.ones_like(peer.scan(arranged))

    def forward_backward() -> None:
        torch.autograd.grad(peer.scan(leaves), wanted, weights)

    return forward_backward


# In the process of an engine.
_call: Optional[Callable[[], None]] = None


def prepare_pass(name: str, case: Case, backward: bool) -> None:
    """Make a pass of a candidate, for `time_pass`, and warm it up."""
    global _call
    _call = make_pass(candidates()[name], make_inputs(case), backward)
    _call()


def time_pass() -> float:
    """Seconds of the pass that `prepare_pass` made."""
    return seconds_awake(_call, 'cpu')
