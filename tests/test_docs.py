"""The pages: lines that fit, files and links that exist."""

import re

import pytest
from pages import PAGES, ROOT

each_page = pytest.mark.parametrize(
    'page', PAGES, ids=lambda path: str(path.relative_to(ROOT))
)


@each_page
def test_lines_fit_79_columns(page):
    """But tables, HTML, BibTeX, pictures, and the addresses of links."""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        text = re.sub(r'\]\(\S+\)|https?://\S+|configs/\S+', '', line)
        assert len(text) <= 79 or line.lstrip().startswith(
            ('|', '<', '!', '[', 'author=')
        ), f'{page}, line {number}: {line}'


@each_page
def test_links_and_files_exist(page):
    text = page.read_text()
    for target in re.findall(r'\]\(([\w/.-]+\w)(?:#[^)]*)?\)', text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r'\b(?:tools|tests|docs)/[\w/]+\.\w+', text):
        if (ROOT / target.split('/')[0]).is_dir():
            assert (ROOT / target).exists(), target


@each_page
def test_commands_are_in_fences(page):
    """No block of code by indentation: one way to show a command."""
    inside = False
    for line in page.read_text().splitlines():
        if line.lstrip().startswith('```'):
            inside = not inside
        elif not inside:
            assert not re.match(r' {4,}(python|bash|pip) ', line), line
