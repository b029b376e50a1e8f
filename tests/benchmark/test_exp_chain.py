"""The kernel that shows how fast exponentials can be."""

import pytest
import torch


def test_the_chain_of_exps_takes_each_of_them():
    pytest.importorskip('triton')
    from mmvideomamba.benchmark.exp_chain import LANES, exp_chain

    # Interpreted where there is no GPU.
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    out = torch.full((3, LANES), float('nan'), device=device)
    exp_chain(out, steps=5)
    expected = torch.arange(LANES, dtype=torch.float64) / LANES
    for _ in range(5):
        expected = torch.exp2(-expected)
    torch.testing.assert_close(
        out.double().cpu(), expected.expand(3, LANES), rtol=1e-5, atol=0
    )
