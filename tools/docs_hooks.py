"""What mkdocs.yml adds to docs/: pages of the root, and links out of docs/."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Pages of the site -> files that GitHub shows in the root.
PAGES = {
    'index.md': 'README.md',
    'contributing.md': 'CONTRIBUTING.md',
    'changelog.md': 'CHANGELOG.md',
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, whose links lead into docs/."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding='utf-8')
        text = text.replace('](docs/', '](').replace('"docs/', '"')
        for other, name in PAGES.items():
            text = text.replace(f']({name}', f']({other}')
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """A link to a file that is no page becomes the name of the file."""

    def rewrite(link: 're.Match[str]') -> str:
        text, target = link[1], link[2]
        folder = Path(page.file.src_uri).parent
        path = Path('docs', folder, target).resolve().relative_to(ROOT)
        uri = path.as_posix().removeprefix('docs/')
        if files.get_file_from_path(uri) or '://' in target:
            return link[0]
        return f'{text} (`{target.lstrip("./")}`)'

    return re.sub(r'\[([^]]*)\]\(([\w/.-]+)(?:#[\w-]*)?\)', rewrite, markdown)
