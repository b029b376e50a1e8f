"""What other people wrote is shown, and not obeyed."""

import pytest

from mmvideomamba.cli import one_line_errors
from mmvideomamba.text import printable


@pytest.mark.parametrize(
    'text, shown',
    [
        ('brush hair', 'brush hair'),
        ('跑 café', '跑 café'),
        ('\x1b[2Ja.mp4\x07', r'\x1b[2Ja.mp4\x07'),
        ('\x9b2J', r'\x9b2J'),
        ('a\r\nb\tc\x0bd\x7f', r'a\r\nb\tc\x0bd\x7f'),
        # The rest of the line would be read from right to left.
        ('a\u202e4pm.exe', r'a\u202e4pm.exe'),
        ('a\u2028b\ufeff', r'a\u2028b\ufeff'),
        ('\udcff.mp4', r'\udcff.mp4'),
        (3, '3'),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert printable(text) == shown


def test_line_ends_of_a_message_may_stay():
    assert printable('a:\n\x1bb', keep='\n') == 'a:\n\\x1bb'


def test_errors_of_tools_are_escaped():
    with pytest.raises(SystemExit) as exit_info, one_line_errors():
        raise ValueError('got \x1b]0;title\x07')
    assert exit_info.value.code == r'error: got \x1b]0;title\x07'
