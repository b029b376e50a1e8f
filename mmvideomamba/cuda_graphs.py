"""CUDA graphs: what a call launches, recorded once and replayed.

A block launches about twenty kernels, and at one clip a GPU may wait for the
host that launches them. A graph launches all of a model at once:

    forward = capture_graph(model, clips)
    features = forward(other_clips)
"""

from typing import Callable

import torch
from torch import Tensor

# Before the capture: kernels are compiled and chosen, orders are looked at.
WARM_UPS = 3


@torch.no_grad()
def capture_graph(
    function: Callable[..., Tensor], *inputs: Tensor
) -> Callable[..., Tensor]:
    """Record what a function launches for inputs of these shapes.

    The graph reads the weights where they are: training them further is
    seen, replacing them is not. What is decided in Python, such as
    `model.train()` or autocast, stays as it is now.

    Args:
        function (Callable): From tensors to a tensor, such as a backbone in
            evaluation mode. It is called a few times first.
        inputs (Tensor): Its arguments, all on the current CUDA device. They
            stay as they are.

    Returns:
        Callable: Takes inputs of the same shapes and dtypes, and returns what
        the function would.

    Raises:
        ValueError: An input that is not on a GPU; later, one that differs in
            shape or dtype.
    """
    for t in inputs:
        if not t.is_cuda:
            raise ValueError(
                f'a CUDA graph takes inputs on a GPU, got one on {t.device}'
            )
    places = [t.clone() for t in inputs]
    # Weights that autocast has cast and keeps would not be the graph's.
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        _warm_up(function, places)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = function(*places)
    finally:
        torch.set_autocast_cache_enabled(cached)

    @torch.no_grad()
    def replay(*inputs: Tensor) -> Tensor:
        for place, t in zip(places, inputs, strict=True):
            if t.shape != place.shape or t.dtype != place.dtype:
                raise ValueError(
                    f'the graph was captured for {tuple(place.shape)} '
                    f'{place.dtype}, got {tuple(t.shape)} {t.dtype}; capture '
                    'another'
                )
            place.copy_(t)
        graph.replay()
        return out.clone()

    return replay


def _warm_up(function: Callable[..., Tensor], places: list) -> None:
    """On a stream of its own, as the capture is."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            function(*places)
    torch.cuda.current_stream().wait_stream(stream)
