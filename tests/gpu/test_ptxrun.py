"""What `ptxrun` notices while it runs a kernel with a fault."""

import pytest

pytest.importorskip('triton')
import ptxrun
from run_script import run_script

pytestmark = pytest.mark.skipif(
    ptxrun.why_not() is not None, reason=str(ptxrun.why_not())
)


@pytest.fixture(scope='module')
def said():
    (complaints,) = run_script('faulty_kernels.py')
    assert complaints['sound'] is None
    return complaints


def test_an_access_out_of_bounds(said):
    assert 'load of 4 bytes out of every tensor' in said['load']
    assert 'store of 4 bytes out of every tensor' in said['store']


def test_a_misaligned_access(said):
    assert 'misaligned load of 16 bytes' in said['misaligned']


def test_a_race_between_programs(said):
    assert 'two programs write one place' in said['one_place']
    # Which of the two is first is chance.
    assert 'a program' in said['passed_on']


def test_every_barrier_that_is_missing(said):
    """Two sums over warps have five: read too early, or written too early."""
    assert len(said['barriers']) == 5
    for complaint in said['barriers']:
        assert 'no barrier after' in complaint or 'nobody wrote' in complaint
    assert any('after the read' in c for c in said['barriers'])
