"""What the step that decodes reads: files, folders of frames, arrays."""

import cv2
import numpy as np
import pytest
from mmengine.config import ConfigDict
from mmengine.dataset import Compose

from mmvideomamba.datasets.video_inputs import make_sample, read_frames
from mmvideomamba.registry import DATASETS
from mmvideomamba.video import write_video

LEVELS = range(20, 220, 20)


def make_dataset(*decoding, **options):
    *init, decode = ({'type': kind} for kind in decoding)
    sample = dict(type='SampleFrames', clip_len=2, frame_interval=3)
    sample.update(test_mode=True)
    return ConfigDict(pipeline=[*init, sample, decode], **options)


def write_frames(folder, names):
    folder.mkdir()
    for name, level in zip(names, LEVELS):
        # OpenCV writes BGR: the level is red, the first channel of RGB.
        picture = np.zeros((32, 48, 3), np.uint8)
        picture[..., 2] = level
        assert cv2.imwrite(str(folder / name), picture)
    return str(folder)


@pytest.fixture
def array():
    frames = np.zeros((len(LEVELS), 32, 48, 3), np.uint8)
    frames[..., 0] = np.array(LEVELS)[:, None, None]
    return frames


@pytest.fixture
def video(tmp_path, array):
    write_video(str(tmp_path / 'clip.mp4'), array, fps=10)
    return str(tmp_path / 'clip.mp4')


@pytest.mark.parametrize(
    'template, options, first',
    [
        ('img_{:05}.jpg', {}, 1),
        ('{:d}.png', dict(filename_tmpl='{:d}.png'), 1),
        (
            'a+{:03d}.png',
            dict(filename_tmpl='a+{:03d}.png', start_index=0),
            0,
        ),
    ],
)
def test_a_folder_is_what_a_list_of_it_is(
    tmp_path, template, options, first, array
):
    numbers = range(first, first + len(LEVELS))
    names = [template.format(number) for number in numbers]
    folder = write_frames(tmp_path / 'frames', names)
    (tmp_path / 'frames' / 'notes.txt').touch()
    dataset = make_dataset('RawFrameDecode', **options)
    sample = make_sample(dataset, folder)

    (tmp_path / 'list.txt').write_text(f'frames {len(LEVELS)} 3\n')
    listed = DATASETS.build(
        dict(
            type='RawframeDataset',
            ann_file=str(tmp_path / 'list.txt'),
            data_prefix=dict(img=str(tmp_path)),
            pipeline=[],
            test_mode=True,
            **options,
        )
    ).get_data_info(0)
    listed.pop('sample_idx')
    assert sample == dict(listed, label=-1)

    results = Compose(dataset.pipeline)(sample)
    expected = array[results['frame_inds'] - first]
    assert np.abs(np.stack(results['imgs']) - expected.astype(int)).max() < 4
    frames, fps = read_frames(dataset, folder)
    assert fps == 25
    assert np.abs(np.stack(list(frames)) - array.astype(int)).max() < 4


def test_an_array_or_its_file(tmp_path, array):
    np.save(tmp_path / 'a.npy', array)
    dataset = make_dataset('ArrayDecode')
    for given in array, str(tmp_path / 'a.npy'), tmp_path / 'a.npy':
        results = Compose(dataset.pipeline)(make_sample(dataset, given))
        expected = array[results['frame_inds']]
        assert np.array_equal(np.stack(results['imgs']), expected)
        frames, _ = read_frames(dataset, given)
        assert np.array_equal(np.stack(list(frames)), array)


@pytest.mark.parametrize('reader', ['Decord', 'PyAV', 'OpenCV'])
def test_a_file_for_every_reader_of_files(video, reader, array):
    dataset = make_dataset(f'{reader}Init', f'{reader}Decode')
    sample = make_sample(dataset, video)
    assert sample == dict(
        filename=video, label=-1, start_index=0, modality='RGB'
    )
    frames, fps = read_frames(dataset, video)
    frames = np.stack(list(frames))
    assert fps == 10 and frames.shape == array.shape
    assert np.abs(frames - array.astype(int)).max() < 16


@pytest.mark.parametrize(
    'decode, given, message',
    [
        ('DecordDecode', 'folder', 'reads a video file .*, got the folder .*'),
        ('DecordDecode', 'array', r'\(DecordDecode\), got an array$'),
        ('RawFrameDecode', 'video', 'reads a folder of frames .* the file .*'),
        ('RawFrameDecode', 'array', 'reads a folder of frames .* an array$'),
        ('ArrayDecode', 'video', 'reads an array or a .npy file .* the file'),
        ('ArrayDecode', 'folder', r'\(ArrayDecode\), got the folder'),
        ('PackActionInputs', 'video', 'the pipeline decodes no video'),
    ],
)
def test_what_a_pipeline_does_not_read_is_said(
    decode, given, message, tmp_path, video, array
):
    given = dict(folder=str(tmp_path), video=video, array=array)[given]
    with pytest.raises(ValueError, match=message):
        make_sample(make_dataset(decode), given)


@pytest.mark.parametrize(
    'names, came',
    [
        ([], 'none'),
        (['img_00001.png'], 'none'),
        (['img_00000.jpg', 'img_00001.jpg'], '2 from 0 to 1'),
        (['img_00001.jpg', 'img_00003.jpg'], '2 from 1 to 3'),
    ],
)
def test_folders_with_other_frames_are_refused(names, came, tmp_path):
    folder = write_frames(tmp_path / 'frames', names)
    message = (
        f'frames: expected frames named img_{{:05}}.jpg, numbered from 1 '
        f'without a gap, got {came}. filename_tmpl'
    )
    with pytest.raises(ValueError) as error:
        make_sample(make_dataset('RawFrameDecode'), folder)
    assert message in str(error.value)


@pytest.mark.parametrize(
    'given, message',
    [
        (np.zeros((2, 8, 8), np.uint8), r'\(2, 8, 8\) uint8$'),
        (np.zeros((2, 8, 8, 3)), r'the array: .*\(2, 8, 8, 3\) float64$'),
        (np.zeros((2, 3, 8, 8), np.uint8), r'expected .*W, 3\) uint8, got'),
    ],
)
def test_arrays_of_another_form_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        make_sample(make_dataset('ArrayDecode'), given)


@pytest.mark.parametrize('content', [b'', b'no array'])
def test_a_broken_file_of_an_array_is_named(content, tmp_path):
    path = tmp_path / 'a.npy'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^{path}: '):
        make_sample(make_dataset('ArrayDecode'), str(path))


def test_optical_flow_is_counted_but_not_drawn_on(tmp_path):
    names = [f'{axis}_{n:05}.jpg' for n in (1, 2) for axis in 'xy']
    folder = write_frames(tmp_path / 'flow', names)
    options = dict(modality='Flow', filename_tmpl='{}_{:05}.jpg')
    dataset = make_dataset('RawFrameDecode', **options)
    assert make_sample(dataset, folder)['total_frames'] == 2
    with pytest.raises(ValueError, match="draw on, got modality='Flow'"):
        read_frames(dataset, folder)
