"""A tool ends with one line where a user can act, else with a traceback."""

import pytest

from mmvideomamba.cli import one_line_errors


@pytest.mark.parametrize('error', [ValueError, FileNotFoundError])
def test_what_a_user_can_act_on_is_one_line(error):
    @one_line_errors()
    def main():
        raise error('expected this, got that')

    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 'error: expected this, got that'


@pytest.mark.parametrize('error', [TypeError, AssertionError, KeyError])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    with pytest.raises(error), one_line_errors():
        raise error


def test_nothing_happens_to_what_works():
    @one_line_errors()
    def main():
        return 3

    assert main() == 3
