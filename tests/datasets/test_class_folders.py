"""One's own videos by class: found, and divided for validation."""

from collections import Counter

import pytest

from mmvideomamba.datasets.annotations import Annotation
from mmvideomamba.datasets.class_folders import (
    OwnVideos,
    choose_delimiter,
    find_own_videos,
    split_off_validation,
)


def make_files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_for_each_class(tmp_path):
    make_files(
        tmp_path,
        'run/b.mp4',
        'run/a.AVI',
        'jump/far/c.webm',
        'jump/notes.txt',
        '.cache/d.mp4',
        'e.mp4',
    )
    found = find_own_videos(str(tmp_path))
    assert found == OwnVideos(
        ['jump', 'run'],
        {
            'all': [
                Annotation('jump/far/c.webm', (0,)),
                Annotation('run/a.AVI', (1,)),
                Annotation('run/b.mp4', (1,)),
            ]
        },
        str(tmp_path),
    )


def test_folders_for_training_and_validation(tmp_path):
    make_files(
        tmp_path, 'train/run/a.mp4', 'train/jump/b.mp4', 'val/run/c.mp4'
    )
    with pytest.raises(ValueError, match="val has no video of class 'jump'"):
        find_own_videos(str(tmp_path))
    make_files(tmp_path, 'val/jump/d.mp4')
    classes, splits, _ = find_own_videos(str(tmp_path))
    assert classes == ['jump', 'run']
    assert splits['val'] == [('val/jump/d.mp4', (0,)), ('val/run/c.mp4', (1,))]
    assert len(splits['train']) == 2


@pytest.mark.parametrize('header', ['', 'file,class\n'])
def test_a_table_of_files_and_classes(tmp_path, header):
    make_files(tmp_path, 'a.mp4', 'sub/b, c.mp4')
    table = tmp_path / 'clips.csv'
    rows = 'a.mp4,跑步\n"sub/b, c.mp4", jump\n'
    table.write_text(header + rows, encoding='utf-8-sig')
    assert find_own_videos(str(table)) == OwnVideos(
        ['jump', '跑步'],
        {'all': [('a.mp4', (1,)), ('sub/b, c.mp4', (0,))]},
        str(tmp_path),
    )


def test_what_cannot_be_told_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match='folder of class folders'):
        find_own_videos(str(tmp_path / 'nothing'))
    with pytest.raises(ValueError, match='two classes or more.*no video'):
        find_own_videos(str(tmp_path))
    make_files(tmp_path, 'run/a.mp4')
    with pytest.raises(ValueError, match="one class, 'run'"):
        find_own_videos(str(tmp_path))
    make_files(tmp_path, 'Run/a.mp4')
    with pytest.raises(ValueError, match="'Run' and 'run' differ by case"):
        find_own_videos(str(tmp_path))
    (tmp_path / 'a.csv').write_text('a.mp4,run\nb.mp4\n')
    with pytest.raises(ValueError, match=r"row 2: expected 'FILE,CLASS'"):
        find_own_videos(str(tmp_path / 'a.csv'))


def own_videos(*counts, name='{label}/{number:02d}.mp4'):
    return OwnVideos(
        [f'class{label}' for label in range(len(counts))],
        {
            'all': [
                Annotation(name.format(label=label, number=number), (label,))
                for label, count in enumerate(counts)
                for number in range(count)
            ]
        },
        '.',
    )


def per_class(annotations):
    counts = Counter(labels[0] for _, labels in annotations)
    return [counts[label] for label in sorted(counts)]


@pytest.mark.parametrize(
    ('share', 'expected'), [(0.2, [10, 2, 1, 1]), (0.5, [25, 5, 2, 1])]
)
def test_every_class_is_divided_alike(share, expected):
    videos = own_videos(50, 10, 4, 2)
    _, splits, _ = split_off_validation(videos, share)
    assert per_class(splits['val']) == expected
    assert sorted(splits['train'] + splits['val']) == videos.splits['all']


def test_one_seed_is_one_division():
    videos = own_videos(20, 20)
    first, again, other = (
        split_off_validation(videos, 0.2, seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_groups_stay_together():
    # Ten clips of each of eight persons, who do two actions each.
    videos = own_videos(80, 80, name='{label}/person{number:02d}.mp4')
    annotations = [
        Annotation(f'{labels[0]}/p{number % 8}_{number}.mp4', labels)
        for number, (_, labels) in enumerate(videos.splits['all'])
    ]
    videos = videos._replace(splits={'all': annotations})
    _, splits, _ = split_off_validation(videos, 0.25, group=r'p\d+')
    persons = [
        {name.split('/')[1].split('_')[0] for name, _ in splits[split]}
        for split in ('train', 'val')
    ]
    assert not persons[0] & persons[1]
    assert [len(who) for who in persons] == [6, 2]
    assert per_class(splits['val']) == [20, 20]


def test_the_smallest_of_large_groups_is_taken():
    annotations = [Annotation(f'a{n < 3}/{n}', (0,)) for n in range(10)]
    annotations += [Annotation(f'b{n < 5}/{n}', (1,)) for n in range(10)]
    videos = OwnVideos(['a', 'b'], {'all': annotations}, '.')
    _, splits, _ = split_off_validation(videos, 0.1, group=r'^\w+')
    assert per_class(splits['val']) == [3, 5]


def test_what_cannot_be_divided_is_said():
    with pytest.raises(ValueError, match="'class1' has no video for train"):
        split_off_validation(own_videos(9, 1), 0.2)
    with pytest.raises(ValueError, match=r"class0.*in two groups of '\^0'"):
        split_off_validation(own_videos(9), 0.2, group='^0')
    with pytest.raises(ValueError, match='is not in the name 0/00.mp4'):
        split_off_validation(own_videos(9), 0.2, group='person')
    with pytest.raises(ValueError, match='no regular expression'):
        split_off_validation(own_videos(9), 0.2, group='(')
    with pytest.raises(ValueError, match='between 0 and 1, got 20'):
        split_off_validation(own_videos(9), 20)


def test_the_delimiter_is_in_no_name():
    assert choose_delimiter(own_videos(2)) == ' '
    assert choose_delimiter(own_videos(2, name='{label} {number}')) == ';'
    with pytest.raises(ValueError, match='rename some'):
        choose_delimiter(own_videos(1, name=' ;|\t{label}{number}'))


def test_what_is_divided_stays_so(tmp_path):
    videos = own_videos(2, 2)
    parts = {'train': videos.splits['all'], 'val': videos.splits['all'][:3]}
    divided = videos._replace(splits=parts)
    assert split_off_validation(divided, 0.2) == divided
    parts['val'] = parts['val'][:2]
    with pytest.raises(ValueError, match="'class1' has no video for val"):
        split_off_validation(divided, 0.2)


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (b'a.mp4,run\nb.mp4, \n', r"row 2: expected 'FILE,CLASS'"),
        (b'a.mp4,run\nb.mp4,sit\na.mp4,sit\n', 'a.mp4 is in 2 rows'),
        (b'a.mp4,run\nb.mp4,l\xe9ve\n', 'expected UTF-8'),
    ],
)
def test_rows_that_cannot_be_meant(tmp_path, rows, message):
    table = tmp_path / 'clips.csv'
    table.write_bytes(rows)
    with pytest.raises(ValueError, match=message):
        find_own_videos(str(table))
