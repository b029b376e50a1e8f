"""The sum of the residual stream and a branch."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmvideomamba.ops import add_branch


def make_inputs(dtype=torch.bfloat16):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 7, requires_grad=True)
    branch = torch.randn(3, 5, 7).to(dtype).requires_grad_()
    factor = torch.tensor([0.0, 1.0, 1.25])[:, None, None]
    return x, branch, factor


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32])
def test_it_is_pytorchs_sum(dtype, autocast):
    x, branch, factor = make_inputs(dtype)
    with torch.autocast('cpu', enabled=autocast):
        actual = add_branch(x, branch, factor)
    expected = x + branch * factor
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected)
    grad = torch.randn(x.shape)
    for ours, theirs in zip(
        torch.autograd.grad(actual, (x, branch), grad),
        torch.autograd.grad(expected, (x, branch), grad),
    ):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


class Made(TorchDispatchMode):
    """The dtypes of what the operators inside return."""

    def __init__(self):
        super().__init__()
        self.dtypes = set()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        out = operator(*args, **kwargs or {})
        self.dtypes.add(out.dtype)
        return out


def test_the_gradient_of_a_branch_is_made_in_its_dtype():
    x, branch, factor = make_inputs()
    out, grad = add_branch(x, branch, factor), torch.randn(x.shape)
    with Made() as made:
        torch.autograd.grad(out, branch, grad)
    assert made.dtypes == {torch.bfloat16}


def test_second_derivatives():
    x, branch, factor = make_inputs()
    out = add_branch(x, branch, factor)
    grad = torch.randn(x.shape, requires_grad=True)
    (first,) = torch.autograd.grad(out, branch, grad, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), grad)
    assert torch.equal(second, factor.expand(x.shape))
