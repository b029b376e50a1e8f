"""tools/predict.py on real video files."""

import json
from pathlib import Path

import decord
import pytest
from nano_recognizer import CONFIG, write_clips_and_weights
from tool_runner import assert_refused, run_tool

from mmvideomamba.datasets.motion_shapes import CLASSES


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('predict')
    write_clips_and_weights(folder, 2)
    return folder


@pytest.fixture
def arguments(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return 'predict.py', CONFIG, 'model.pth'


def test_a_folder_is_predicted_and_written(arguments, folder, capsys):
    outputs = '--out', 'out/all', '--annotate', 'annotated'
    run_tool(*arguments, 'videos', *outputs)
    lines = capsys.readouterr().out.splitlines()[-2:]
    for line in lines:
        percent, name, video = line.split()
        assert percent.endswith('%') and name in CLASSES
        assert (folder / video).exists()
        # As many folders as the videos have.
        inside = Path(video).relative_to('videos')
        written = decord.VideoReader(str(folder / 'annotated' / inside))
        assert len(written) == 12
    rows = (folder / 'out/all.csv').read_text().splitlines()
    assert rows[0] == 'video,start,end,class,score' and len(rows) == 3
    content = json.loads((folder / 'out/all.json').read_text())
    for video in content:
        ((_, scores),) = [s.popitem() for s in video['segments']]
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)


def test_a_long_video_gets_a_time_line(arguments, folder, capsys):
    video = 'videos/move_left/train_00000.mp4'
    run_tool(*arguments, video, '--window', 0.2, '--out', 'out/line')
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert ' 0.00 -    0.20 s' in lines[0]
    rows = (folder / 'out/line.csv').read_text().splitlines()
    assert len(rows) == 4 and rows[1].startswith(f'{video},0.00,0.20,')
    assert (folder / 'out/line.png').stat().st_size > 1000


def test_what_cannot_be_read_is_named_and_the_rest_predicted(
    arguments, folder, capsys
):
    (folder / 'cut.mp4').write_bytes(b'')
    video = 'videos/move_left/train_00000.mp4'
    with pytest.raises(SystemExit) as exit_info:
        run_tool(*arguments, 'cut.mp4', video)
    assert exit_info.value.code == 1
    out, err = capsys.readouterr()
    assert 'cut.mp4' in err.splitlines()[-1]
    assert out.splitlines()[-1].endswith(video)


def test_what_does_not_fit_is_said_at_once(arguments, folder, capsys):
    assert_refused(capsys, 'found none', *arguments, 'nothing.mp4')
    assert_refused(
        capsys, 'needs --window', *arguments, 'videos', '--stride', 1
    )
    for suffix in ('mp4', 'avi'):
        (folder / f'twice.{suffix}').touch()
    twice = ('twice.mp4', 'twice.avi', '--annotate', 'annotated')
    assert_refused(capsys, 'annotated/twice.mp4', *arguments, *twice)
