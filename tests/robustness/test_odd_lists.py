"""check_videos.py and training agree on odd lists: usable, or named."""

import os

import pytest
from tool_runner import run_tool
from video_files import write_frames

from mmvideomamba import parallel
from mmvideomamba.datasets.annotations import read_annotations
from mmvideomamba.registry import DATASETS

GOOD = 'a.mp4 0\nb.mp4 1\n'
NAMED = 'named'
AB = [('a.mp4', (0,)), ('b.mp4', (1,))]
RUN = ('跑.mp4', (2,))

# Content -> the videos and labels in it, or NAMED.
ODD_LISTS = [
    (GOOD.encode(), AB),
    (GOOD.rstrip().encode(), AB),
    (b'\xef\xbb\xbf' + GOOD.encode(), AB),
    (b'\xef\xbb\xbf\xef\xbb\xbf' + GOOD.encode(), NAMED),
    (GOOD.replace('\n', '\r\n').encode(), AB),
    (GOOD.replace('\n', '\r').encode(), AB),
    ('\ufeff跑.mp4 2\r\n'.encode(), [RUN]),
    ('跑.mp4 2\n'.encode('gbk'), NAMED),
    ('跑.mp4 2\n'.encode('big5'), NAMED),
    ('é.mp4 2\n'.encode('latin1'), NAMED),
    (GOOD.encode('utf-16'), NAMED),
    (GOOD.encode('utf-16-le'), NAMED),
    (GOOD.encode('utf-16-be'), NAMED),
    (GOOD.encode('utf-32'), NAMED),
    (GOOD.encode('utf-32-be'), NAMED),
    (b'', NAMED),
    (b'\n', NAMED),
    (b'\xef\xbb\xbf', NAMED),
    (b'\0', NAMED),
    (GOOD.encode() + b'\n', NAMED),
    (b'  a.mp4 0  \n', [('a.mp4', (0,))]),
    (b'a.mp4  0\n', NAMED),
    (b'a.mp4\t0\n', NAMED),
    (b'a.mp4,0\n', NAMED),
    (b'video label\na.mp4 0\n', NAMED),
    (b'a.mp4\n', NAMED),
    (b'a.mp4 0 1\n', NAMED),
    (b'a.mp4 -1\n', NAMED),
    (b'a.mp4 1.0\n', NAMED),
    (b'a.mp4 1e3\n', NAMED),
    (b'a.mp4 cat\n', NAMED),
    ('a.mp4 ²\n'.encode(), NAMED),
    (b'a.mp4 ' + b'9' * 5000 + b'\n', NAMED),
    (b'a.mp4 0\nb.mp4 1\na.mp4 0\n', [*AB, AB[0]]),
    (b'a.mp4 0\nb.mp4 1\na.mp4 1\n', NAMED),
    (b'a.mp4 0\n./a.mp4 1\n', NAMED),
    (b'gone.mp4 0\n', NAMED),
    (b'folder.mp4 0\n', NAMED),
    (b'a.mp4/ 0\n', NAMED),
    (b'c 0\n', [('c', (0,))]),
    (b'a 0\n', [('a', (0,))]),
    (b'http://host/a.mp4 0\n', NAMED),
    ('a\u2028b.mp4 3\n'.encode(), [('a\u2028b.mp4', (3,))]),
    (b'a\x0cb.mp4 3\nb.mp4 1\n', [('a\x0cb.mp4', (3,)), AB[1]]),
    (b'a\x0bb.mp4 3\n', [('a\x0bb.mp4', (3,))]),
    (b'a.mp4 0\x0c\n', NAMED),
    (b'\x1b[2J.mp4 0\n', NAMED),
]
# What the rest of a list may be changed by, at a random place.
ODDITIES = ['\0', '\t', ' ', '\r', '\n', '\x0b', '\x0c', '\x1b', '\x85', ',']
ODDITIES += ['\u2028', '\ufeff', '跑', '0', '/', '..', '-', 'a.mp4', ';', '"']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder of some videos; check_videos.py works in this process."""

    def run(function, items, workers, on_crash):
        return {item: function(item) for item in items}

    monkeypatch.setattr(parallel, 'run_parallel', run)
    names = ['a.mp4', 'b.mp4', 'c', '跑.mp4']
    names += [f'a{char}b.mp4' for char in '\u2028\x0b\x0c']
    path = write_frames(tmp_path / 'video.mp4', range(0, 120, 40))
    for name in names:
        os.link(path, tmp_path / name)
    (tmp_path / 'folder.mp4').mkdir()
    return tmp_path


READ = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=2, test_mode=True),
    dict(type='DecordDecode'),
]


def train(folder):
    """What a training reads of the list, or NAMED."""
    try:
        dataset = DATASETS.build(
            dict(
                type='CheckedVideoDataset',
                ann_file=str(folder / 'list.txt'),
                data_prefix=dict(video=str(folder)),
                pipeline=READ,
            )
        )
        for index in range(len(dataset)):
            assert len(dataset[index]['imgs']) == 2
    except (OSError, ValueError) as error:
        assert_named(str(error))
        return NAMED
    infos = map(dataset.get_data_info, range(len(dataset)))
    return [(i['filename'][len(f'{folder}/') :], (i['label'],)) for i in infos]


def check(folder, capsys):
    """What check_videos.py leaves in the list, or NAMED."""
    clean = folder / 'clean.txt'
    clean.unlink(missing_ok=True)
    arguments = folder / 'list.txt', folder, '--out', clean
    code = 0
    try:
        run_tool('data/check_videos.py', *arguments)
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().out
    assert clean.exists() or code
    if code not in (0, 1):
        assert_named(code)
    if code or 'several labels or none' in said:
        assert said.isprintable() or said.replace('\n', '').isprintable()
        return NAMED
    return [tuple(line) for line in read_annotations(str(clean))]


def assert_named(message):
    assert 'list.txt' in message
    # Nothing that a terminal would obey.
    assert message.replace('\n', '').isprintable()


def test_odd_lists(campaign, folder, capsys):
    for case in campaign.cases(300, as_test=15):
        with case:
            if case.seed < len(ODD_LISTS):
                content, expected = ODD_LISTS[case.seed]
            else:
                content, expected = change(case.random), None
            (folder / 'list.txt').write_bytes(content)
            trained, checked = train(folder), check(folder, capsys)
            assert trained == checked, content
            assert expected in (None, trained), content
            case.outcome(NAMED if trained == NAMED else 'usable')


def change(random):
    """The good list with some oddities in it."""
    text = GOOD
    for _ in range(random.integers(1, 4)):
        place = random.integers(len(text) + 1)
        text = text[:place] + random.choice(ODDITIES) + text[place:]
    return text.encode()
