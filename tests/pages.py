"""The pages that users read, and the code that they show."""

import re
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


class Fence(NamedTuple):
    """Code between two lines of ```."""

    page: Path
    line: int  # of its first line, from 1
    language: str
    text: str

    def __str__(self):
        return f'{self.page.relative_to(ROOT)}:{self.line}'


def fences(*languages, pages=PAGES) -> List[Fence]:
    """The fences of these languages, in the order of the pages."""
    found = []
    for page in pages:
        inside = None
        for number, line in enumerate(page.read_text().splitlines(), 1):
            mark = re.fullmatch(r' *```(\w*)', line)
            if not mark:
                if inside is not None:
                    inside.append(line)
            elif inside is None:
                inside, first, language = [], number + 1, mark[1]
            else:
                text = dedent('\n'.join(inside) + '\n')
                found.append(Fence(page, first, language, text))
                inside = None
        assert inside is None, f'{page}: an open fence'
    return [fence for fence in found if fence.language in languages]
