"""The operators on torch's meta device: shapes without numbers.

Whatever engine a model names, its shapes are the same, so tensors that have
nothing but a shape take this one. FLOP counters and model summaries use it.
"""

from functools import partial

from . import registration
from .inner import compose

NAME = 'meta'


def _unreachable(*args):
    raise AssertionError('on the meta device only the fake kernels run')


registration.register_kernels(
    NAME,
    registration.Kernels(
        conv_forward=_unreachable,
        conv_backward=_unreachable,
        scan_forward=_unreachable,
        scan_backward=_unreachable,
        states_shape=lambda u, A: (0,),
    ),
)
causal_conv1d = partial(registration.causal_conv1d, NAME)
selective_scan = partial(registration.selective_scan, NAME)
mamba_inner = compose(causal_conv1d, selective_scan)
