"""The scan of one block, by each of our backends and public baselines."""

from contextlib import ExitStack
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch

from ..ops import selective_scan
from ..ops.api import BACKENDS
from .comparison import Contender, compare
from .isolated_process import isolated_process
from .record import DTYPES
from .scan_baselines import BASELINES, Implementation
from .timing import seconds, warm_seconds

PASSES = ('forward', 'forward+backward')
# Those that ratios are taken to.
COMPARED_TO = ('reference', 'mamba-ssm-twice')
RATES = (
    'bytes_per_second',
    'bytes_share',
    'exps_per_second',
    'roofline_ratio',
)
DIRECTIONS = 2


class ScanCase(NamedTuple):
    """A size of the scan: a mixer's, in both directions.

    Attributes:
        dtype (str): One of `DTYPES`.
        batch_size (int): B, clips.
        length (int): L, tokens.
        channels (int): D.
        states (int): N.
        device (str): 'cpu' or 'cuda'.
    """

    dtype: str
    batch_size: int
    length: int
    channels: int
    states: int
    device: str

    def exps(self, pass_name: str) -> int:
        """Exponentials of a pass: one per token, channel, state, direction.

        The backward pass takes them once more.
        """
        values = self.batch_size * self.length * self.channels * self.states
        return DIRECTIONS * values * (1 if pass_name == 'forward' else 2)

    def bytes_moved(self, pass_name: str) -> int:
        """Each tensor once: inputs and output; the same and gradients."""
        K, D, N = DIRECTIONS, self.channels, self.states
        out = self.batch_size * self.length * D * DTYPES[self.dtype].itemsize
        data = out * (2 * K * D + 2 * K * N + D) // D
        return data + out if pass_name == 'forward' else 3 * data + 2 * out


def make_inputs(case: ScanCase) -> dict:
    """What the mixer hands over: views of projections, directions K = 2.

    Returns:
        dict[str, Tensor]: Arguments of `selective_scan`, by name.
    """
    torch.manual_seed(0)
    K, B, L = DIRECTIONS, case.batch_size, case.length
    D, N = case.channels, case.states
    dtype, device = DTYPES[case.dtype], case.device
    randn = partial(torch.randn, dtype=dtype, device=device)
    dt_rank = D // 32
    projected = randn(K, B, L, dt_rank + 2 * N)
    _, in_B, in_C = projected.split([dt_rank, N, N], dim=-1)
    states = torch.arange(1.0, N + 1, device=device)
    tokens = torch.arange(L, device=device)
    return dict(
        u=randn(K, B, L, D),
        delta=randn(K, B, L, D),
        A=-states.expand(K, D, N).contiguous(),
        B=in_B,
        C=in_C,
        D=torch.ones(K, D, device=device),
        z=randn(B, L, 2 * D).chunk(2, dim=-1)[1],
        delta_bias=torch.full((K, D), -4.0, device=device),
        order=torch.stack([tokens, tokens.flip(0)]),
    )


def implementations() -> Dict[str, Implementation]:
    """Our backends by name, then the baselines."""

    def bind(name: str) -> Implementation:
        return Implementation(
            lambda inputs: selective_scan(
                **inputs, delta_softplus=True, backend=name
            ),
            BACKENDS[name].why_not,
        )

    return {**{name: bind(name) for name in BACKENDS}, **BASELINES}


def why_not(name: str, device: str, pass_name: str) -> Optional[str]:
    """Why an implementation has no such pass on a device, None if it has."""
    implementation = implementations()[name]
    if pass_name != 'forward' and not implementation.trainable:
        return 'a backward pass of minutes'
    return implementation.why_not(device)


class ScanWorkload:
    """A case's inputs and, of each implementation, the pass prepared last."""

    def __init__(self, case: ScanCase) -> None:
        self.device = case.device
        self.inputs = make_inputs(case)
        self._passes: Dict[str, Callable[[], None]] = {}

    def prepare(self, name: str, pass_name: str) -> None:
        """Make a pass of an implementation and warm it up."""
        call = make_pass(implementations()[name], self.inputs, pass_name)
        call()
        self._passes[name] = call

    def time(self, name: str) -> float:
        """Seconds of the pass that `prepare` made of an implementation."""
        # On a GPU the others are in this process, and it stays warm.
        measure = warm_seconds if self.device == 'cpu' else seconds
        return measure(self._passes[name], self.device)


def make_pass(
    implementation: Implementation, inputs: dict, pass_name: str
) -> Callable[[], None]:
    """A call without arguments that runs one pass."""
    arranged = implementation.arrange(inputs)
    if pass_name == 'forward':

        def forward() -> None:
            with torch.no_grad():
                implementation.scan(arranged)

        return forward

    leaves = {
        name: t.detach().requires_grad_(t.is_floating_point())
        for name, t in arranged.items()
    }
    wanted = [t for t in leaves.values() if t.requires_grad]
    with torch.no_grad():
        weights = torch.ones_like(implementation.scan(arranged))

    def forward_backward() -> None:
        torch.autograd.grad(implementation.scan(leaves), wanted, weights)

    return forward_backward


def measure_scan(
    case: ScanCase,
    names: Sequence[str],
    roofline: Dict[str, Optional[float]],
    passes: Sequence[str] = PASSES,
    rounds: int = 15,
    budget: float = float('inf'),
) -> List[dict]:
    """Measure implementations of the scan side by side at one size.

    On a CPU each has a process of its own; on a GPU all are in this one and
    share their inputs.

    Args:
        case (ScanCase): The size.
        names (Sequence[str]): Of `implementations`.
        roofline (dict): Of `measure_roofline`.
        passes (Sequence[str]): Of `PASSES`.
        rounds (int): Timings of each implementation and pass.
        budget (float): See `compare`.

    Returns:
        list[dict]: Results, see `record.py`.
    """
    about = dict(case._asdict(), **dict.fromkeys(RATES))
    del about['device']
    with ExitStack() as stack:
        calls: Dict[str, Callable] = {}
        if case.device == 'cuda':
            shared = ScanWorkload(case)
            calls = dict.fromkeys(
                names, lambda method, *args: getattr(shared, method)(*args)
            )

        def prepare(
            name: str, pass_name: str
        ) -> Tuple[Callable[[], float], dict]:
            reason = why_not(name, case.device, pass_name)
            if reason is not None:
                raise RuntimeError(reason)
            if name not in calls:
                calls[name] = stack.enter_context(
                    isolated_process(ScanWorkload, case)
                )
            calls[name]('prepare', name, pass_name)
            return partial(calls[name], 'time', name), {}

        contenders = [
            Contender(name, about, partial(prepare, name)) for name in names
        ]
        results = compare(contenders, passes, rounds, budget, COMPARED_TO)
    for row in results:
        if row['error'] is None:
            row.update(_rates(case, row, roofline))
    return results


def _rates(
    case: ScanCase, row: dict, roofline: Dict[str, Optional[float]]
) -> dict:
    """A result's rates, and how far they are from the machine's."""
    moved = case.bytes_moved(row['pass']) / row['median']
    exps = case.exps(row['pass']) / row['median']
    share = moved / roofline['bytes_per_second']
    most = roofline['exps_per_second']
    ratio = most / exps if most else None
    return dict(zip(RATES, (moved, share, exps, ratio)))
