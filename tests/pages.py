"""The pages that users read, and the code that they show."""

import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import List, NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for pattern in (
        '*.md',
        'docs/**/*.md',
        'configs/**/*.md',
        'tests/**/*.md',
        'mmvideomamba/**/*.md',
    )
    for path in sorted(ROOT.glob(pattern))
]
TUTORIALS = [page for page in PAGES if page.parent.name == 'tutorials']
# For each command a record, its words between ASCII's separators.
BASH = r"""
set -eu
PATH=/dev/null
exec 3>&1
command_not_found_handle() {
    [ ! -p /dev/stdin ] || mapfile  # what comes before in a pipe
    printf '%s\37' $'\36'"$1" "${@:2}" >&3
}
cd() { command_not_found_handle cd "$@"; }
"""


class Fence(NamedTuple):
    """Code between two lines of ```."""

    page: Path
    line: int  # of its first line, from 1
    language: str
    title: str  # the name of a file, or ''
    text: str

    def __str__(self):
        return f'{self.page.relative_to(ROOT)}:{self.line}'


def fences(*languages, pages=PAGES) -> List[Fence]:
    """The fences of these languages, in the order of the pages."""
    found = []
    for page in pages:
        inside = None
        for number, line in enumerate(page.read_text().splitlines(), 1):
            mark = re.fullmatch(r' *```(\w*)(?: title="([\w.]+)")?', line)
            if not mark:
                if inside is not None:
                    inside.append(line)
            elif inside is None:
                inside, first = [], number + 1
                language, title = mark[1], mark[2] or ''
            else:
                text = dedent('\n'.join(inside) + '\n')
                found.append(Fence(page, first, language, title, text))
                inside = None
        assert inside is None, f'{page}: an open fence'
    return [fence for fence in found if fence.language in languages]


def commands(code):
    """What code for bash would start in this folder, each a list of words.

    Bash runs it, with no program on its PATH.
    """
    done = subprocess.run(
        ['/bin/bash', '-c', BASH + code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [
        record.split('\37')[:-1] for record in done.stdout.split('\36')[1:]
    ]
