"""A font that has the characters of a text, among those of this machine."""

import os.path as osp
import unicodedata
import warnings
from functools import cache
from typing import FrozenSet, Iterator

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageFont


def load_font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """A font to draw a text with, of whatever script.

    DejaVu Sans, which matplotlib brings, has Latin, Greek, Cyrillic and more;
    for other scripts it is the first installed font that has all characters.
    Where there is none, it is the one that lacks the fewest, and a warning
    names these.

    Args:
        text (str): What is to be drawn.
        size (int): Of the font, in pixels.
    """
    # Control characters and joiners have no picture of their own.
    needed = frozenset(
        char
        for char in text
        if not char.isspace()
        and unicodedata.category(char) not in ('Cc', 'Cf')
    )
    best, missing = '', needed
    for path in _font_files():
        lacking = needed - _characters_of(path)
        if not best or len(lacking) < len(missing):
            best, missing = path, lacking
        if not missing:
            break
    else:
        names = ', '.join(
            f'{char} (U+{ord(char):04X})' for char in sorted(missing)
        )
        warnings.warn(
            f'no font on this machine has all characters of {text!r}: boxes '
            f'stand for {names}. Install a font that has them, such as those '
            'of the package fonts-noto-cjk',
            stacklevel=2,
        )
    return ImageFont.truetype(best, size)


def _font_files() -> Iterator[str]:
    yield osp.join(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf')
    # Searched anew: matplotlib's own list is from the day of its first use.
    yield from sorted(
        font_manager.findSystemFonts(),
        key=lambda path: ('Regular' not in path, osp.basename(path), path),
    )


@cache
def _characters_of(path: str) -> FrozenSet[str]:
    """The characters that a font has pictures of; none if it is of no use."""
    # Its pictures are boxes with the name of the script.
    if 'LastResort' in osp.basename(path):
        return frozenset()
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return frozenset()
    # Fonts of bitmaps, such as those of emoji, have sizes of their own.
    return frozenset(map(chr, font.get_charmap() if font.scalable else ()))
