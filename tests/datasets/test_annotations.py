"""List files and class names, read and written."""

import os

import pytest

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


def test_a_label_beyond_the_classes_names_video_and_setting():
    annotations = [Annotation('a.mp4', (1,)), Annotation('b.mp4', (0, 4))]
    check_labels(annotations, 5, 'list.txt')
    message = r'list.txt has label 4 for b.mp4, but n=4 allows 0 to 3.*set n$'
    with pytest.raises(ValueError, match=message):
        check_labels(annotations, 4, 'list.txt', setting='n')


def test_class_names_are_one_a_line(tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('air drumming\nyoga\n\n')
    names = ['air drumming', 'yoga']
    assert read_class_names(str(path)) == names
    assert read_class_names(str(path), 2) == names
    with pytest.raises(ValueError, match='has 2 names, the model 3 classes'):
        read_class_names(str(path), 3)
