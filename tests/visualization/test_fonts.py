"""Names of any script on the frames, or a warning that names what is not."""

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from mmvideomamba.visualization.fonts import load_font
from mmvideomamba.visualization.predictions import annotate_frames

FRAME = np.zeros((16, 400, 3), np.uint8)


def draw(name):
    (frame,) = annotate_frames([FRAME], [(name, 0.5)])
    return frame[16:]


def install(monkeypatch, *paths):
    """Have the machine own these fonts only, beside matplotlib's."""
    monkeypatch.setattr(
        font_manager, 'findSystemFonts', lambda: list(map(str, paths))
    )


def make_font(path, characters):
    """A font whose characters are full squares."""
    pen = TTGlyphPen(None)
    for place, corner in enumerate([(0, 0), (0, 800), (800, 800), (800, 0)]):
        (pen.lineTo if place else pen.moveTo)(corner)
    pen.closePath()
    square = pen.glyph()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(['.notdef', 'square'])
    font.setupCharacterMap({ord(c): 'square' for c in characters})
    font.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), 'square': square})
    font.setupHorizontalMetrics({'.notdef': (900, 0), 'square': (900, 0)})
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable(dict(familyName='Squares', styleName='Regular'))
    font.setupOS2()
    font.setupPost()
    font.save(str(path))
    return path


@pytest.mark.parametrize(
    'one, other', [('бег', 'шаг'), ('άλμα', 'βόλτ'), ('قفز', 'مشي')]
)
def test_scripts_that_need_no_installed_font(one, other, monkeypatch):
    install(monkeypatch)
    # Boxes would be alike.
    assert not np.array_equal(draw(one), draw(other))


def test_an_installed_font_that_has_the_characters_is_taken(
    tmp_path, monkeypatch
):
    others = tmp_path / 'broken.ttf', tmp_path / 'LastResort.otf'
    others[0].write_bytes(b'no font')
    make_font(others[1], '跑步走')
    path = make_font(tmp_path / 'squares.ttf', '跑步')
    install(monkeypatch, *others, path)
    assert load_font('跑 步\u200d', 20).path == str(path)
    # Two full squares, and the digits in a font that has them.
    squares = draw('跑步')
    assert not np.array_equal(squares, draw('  '))
    assert (squares.min(-1) == 255).sum() > 2 * 8 * 8


def test_characters_of_no_font_are_named(tmp_path, monkeypatch):
    path = make_font(tmp_path / 'squares.ttf', '跑')
    install(monkeypatch, path)
    with pytest.warns(
        UserWarning,
        match=r"of '跑 步骑': boxes stand for 步 \(U\+6B65\), 骑 \(U\+9A91\)",
    ):
        font = load_font('跑 步骑', 20)
    assert font.path == str(path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_font('跑', 20)
