"""List files and class names, read and written."""

import os
import subprocess
import sys

import pytest

import mmvideomamba
from mmvideomamba.datasets.annotations import (
    Annotation,
    check_labels,
    read_annotations,
    read_class_names,
    write_annotations,
)


@pytest.mark.parametrize('delimiter', [' ', ';'])
def test_what_is_written_is_read(tmp_path, delimiter):
    path = str(tmp_path / 'lists' / 'train.txt')
    annotations = [
        Annotation('跑/a.mp4', (3,)),
        Annotation('b.mp4', (0, 2)),
        Annotation('c.mp4', ()),
    ]
    write_annotations(path, annotations, delimiter)
    assert os.listdir(tmp_path / 'lists') == ['train.txt']
    assert annotations == read_annotations(
        path, delimiter, multi_class=True, needs_labels=False
    )


@pytest.mark.parametrize(
    'line, options, fits',
    [
        ('a.mp4', dict(needs_labels=False), True),
        ('a.mp4', dict(needs_labels=True), False),
        ('a.mp4', dict(multi_class=True), True),
        ('a.mp4 1 2', dict(multi_class=True), True),
        ('a.mp4 1 2', dict(multi_class=False), False),
        ('a.mp4 -1', dict(), False),
        (' 1', dict(), False),
    ],
)
def test_the_number_of_labels_has_to_fit(tmp_path, line, options, fits):
    path = tmp_path / 'list.txt'
    path.write_text(f'b.mp4 0\n{line}\n')
    if fits:
        assert read_annotations(str(path), **options)[1].video == 'a.mp4'
    else:
        with pytest.raises(ValueError, match='list.txt, line 2: expected'):
            read_annotations(str(path), **options)


def test_a_list_of_several_labels_has_some(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('a.mp4;0;3\nb.mp4\n')
    message = "line 1: expected 'VIDEO LABEL', got 'a.mp4;0;3', and no line"
    with pytest.raises(ValueError, match=message):
        read_annotations(str(path), multi_class=True)
    assert read_annotations(str(path), ';', multi_class=True) == [
        Annotation('a.mp4', (0, 3)),
        Annotation('b.mp4', ()),
    ]


def test_a_name_with_the_delimiter_is_not_written(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('old')
    with pytest.raises(ValueError, match="'b c.mp4' holds the delimiter ' '"):
        write_annotations(str(path), [Annotation('b c.mp4', (0,))])
    assert path.read_text() == 'old'


def test_a_list_in_another_encoding_is_named(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes('跑.mp4 0\n'.encode('gbk'))
    with pytest.raises(ValueError, match='list.txt: expected UTF-8'):
        read_annotations(str(path))


@pytest.mark.parametrize('encoding', ['gbk', 'utf-16', 'latin-1'])
def test_another_encoding_is_told_with_the_remedy(tmp_path, encoding):
    path = tmp_path / 'list.txt'
    path.write_bytes('caf\u00e9.mp4 0\n'.encode(encoding))
    with pytest.raises(ValueError, match='list.txt: expected UTF-8.*iconv'):
        read_annotations(str(path))


@pytest.mark.parametrize('mark', ['', '\ufeff'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_a_mark_and_any_line_ends_are_no_part_of_names(tmp_path, mark, end):
    path = tmp_path / 'list.txt'
    text = f'{mark}a.mp4 0{end}\u8dd1\u2028b.mp4 1{end}c.mp4 2'
    path.write_bytes(text.encode())
    assert read_annotations(str(path)) == [
        Annotation('a.mp4', (0,)),
        Annotation('\u8dd1\u2028b.mp4', (1,)),
        Annotation('c.mp4', (2,)),
    ]


READ_IN_A_BARE_PROCESS = """
import sys, types
for name, path in zip(sys.argv[2::2], sys.argv[3::2]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from mmvideomamba.datasets.annotations import read_annotations
print(ascii(read_annotations(sys.argv[1])[0].video))
"""


def test_lists_are_read_alike_in_every_locale(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes('\u8dd1.mp4 0\n'.encode())
    # The packages without what they import, which takes seconds.
    packages = [
        word
        for package in (mmvideomamba, mmvideomamba.datasets)
        for word in (package.__name__, *package.__path__)
    ]
    command = [sys.executable, '-c', READ_IN_A_BARE_PROCESS, str(path)]
    plain = dict(LC_ALL='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0')
    run = subprocess.run(
        [*command, *packages],
        env={**os.environ, **plain},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "'\\u8dd1.mp4'"


@pytest.mark.parametrize('end', ['\x0b', '\x0c', '\x85', '\u2028', '\x1c'])
def test_other_characters_end_no_line(tmp_path, end):
    path = tmp_path / 'list.txt'
    path.write_bytes(f'{end}a{end}b.mp4 3\nb.mp4 1\n'.encode())
    assert read_annotations(str(path))[0] == (f'{end}a{end}b.mp4', (3,))
    path.write_bytes(f'a.mp4 3{end}\n'.encode())
    with pytest.raises(ValueError, match='list.txt, line 1: expected'):
        read_annotations(str(path))


@pytest.mark.parametrize('encoding', ['utf-16-le', 'utf-16-be', 'utf-32-be'])
def test_utf16_without_a_mark_is_recognised(tmp_path, encoding):
    path = tmp_path / 'list.txt'
    path.write_bytes('a.mp4 0\n'.encode(encoding))
    with pytest.raises(ValueError, match='expected UTF-8, line 1 holds a 0'):
        read_annotations(str(path))


@pytest.mark.parametrize(
    'text, message',
    [
        ('a.mp4 0\nb.mp4 1\na.mp4 2\n', 'lines 1 and 3: .*a.mp4.* 0 and 2'),
        ('x/a.mp4 0\nx/./y/..//a.mp4 1\n', 'lines 1 and 2: '),
        ('a.mp4 0 1\na.mp4 1\n', 'lines 1 and 2: .* labels 0 1 and 1. Keep'),
        ('a.mp4 0\na.mp4\n', 'lines 1 and 2: .* 0 and none. Keep'),
    ],
)
def test_two_answers_for_one_video_are_refused(tmp_path, text, message):
    path = tmp_path / 'list.txt'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'list.txt, {message}'):
        read_annotations(str(path), multi_class=True)
    path.write_text('a.mp4 0 1\nb.mp4 1\na.mp4 1 0\n')
    assert len(read_annotations(str(path), multi_class=True)) == 3


def test_a_label_has_a_size(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text(f'a.mp4 {"9" * 5000}\n')
    with pytest.raises(ValueError, match='line 1: .* 9 digits at most'):
        read_annotations(str(path))


@pytest.mark.parametrize('name', ['a\nb.mp4', ' a.mp4', 'a\0', '\udcff.mp4'])
def test_a_name_that_fits_no_list_is_not_written(tmp_path, name):
    path = tmp_path / 'list.txt'
    with pytest.raises(ValueError, match='fits no list: rename'):
        write_annotations(str(path), [Annotation(name, (0,))], ';')
    assert not path.exists()


CLASSES = ['air drumming', 'yoga', '7']


@pytest.mark.parametrize(
    'line, labels',
    [
        ('a.mp4 yoga', (1,)),
        ('a.mp4 air drumming', (0,)),
        # Digits stay numbers, whatever the names.
        ('a.mp4 7', (7,)),
        ('a.mp4 0', (0,)),
        ('a.mp4 yoga 2', (1, 2)),
    ],
)
def test_names_of_known_classes_are_labels(tmp_path, line, labels):
    path = tmp_path / 'list.txt'
    path.write_text(line)
    options = dict(classes=CLASSES, multi_class=len(labels) > 1)
    assert read_annotations(str(path), **options) == [
        Annotation('a.mp4', labels)
    ]


@pytest.mark.parametrize(
    'text, options, message',
    [
        ('a.mp4 cat\nb.mp4 dog\n', {}, "'cat' is no number.*metainfo"),
        ('video label\na.mp4 0\n', {}, 'header of a table'),
        (
            'video,label\na.mp4,0\n',
            dict(delimiter=','),
            'header of a table',
        ),
        ('a.mp4,0\n', {}, "no ' ', but ','.*delimiter=','"),
        ('a.mp4\t0\n', {}, r"no ' ', but '\\t'"),
        ('a.mp4 0\n\n', {}, 'Remove the empty line'),
        ('a.mp4\n', {}, 'has no label'),
        ('a.mp4 -1\n', {}, 'Labels count from 0'),
        ('b c.mp4 1\n', {}, 'names hold spaces'),
        (
            'a.mp4 joga\n',
            dict(classes=CLASSES),
            "'joga' is none of the 3 names of classes.*'air drumming'",
        ),
    ],
)
def test_the_advice_fits_the_line(tmp_path, text, options, message):
    path = tmp_path / 'list.txt'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'list.txt, line .*{message}'):
        read_annotations(str(path), **options)


def test_a_label_beyond_the_classes_names_video_and_setting():
    annotations = [Annotation('a.mp4', (1,)), Annotation('b.mp4', (0, 4))]
    check_labels(annotations, 5, 'list.txt')
    message = r'list.txt has label 4 for b.mp4, but n=4 allows 0 to 3.*set n$'
    with pytest.raises(ValueError, match=message):
        check_labels(annotations, 4, 'list.txt', setting='n')


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_bytes(b'\xef\xbb\xbf' + '跑.mp4 0\r\nb.mp4 1\r\n'.encode())
    videos = [video for video, _ in read_annotations(str(path))]
    assert videos == ['跑.mp4', 'b.mp4']
    path.write_bytes(b'\xef\xbb\xbf' + '跑\r\n走\r\n'.encode())
    assert read_class_names(str(path), 2) == ['跑', '走']
    path.write_text('跑\n', encoding='utf-16')
    with pytest.raises(ValueError, match='list.txt: expected UTF-8'):
        read_class_names(str(path))


def test_class_names_are_one_a_line(tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('air drumming\nyoga\n\n')
    names = ['air drumming', 'yoga']
    assert read_class_names(str(path)) == names
    assert read_class_names(str(path), 2) == names
    with pytest.raises(ValueError, match='has 2 names, the model 3 classes'):
        read_class_names(str(path), 3)
