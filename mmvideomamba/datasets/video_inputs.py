"""What a pipeline reads: a video file, a folder of frames, or an array.

The step that decodes decides: `RawFrameDecode` reads a folder of frames,
`ArrayDecode` an array, and every other, such as `DecordDecode`, a file.
"""

import os
import re
from typing import Any, Dict, Iterator, Optional, Tuple, Union

import numpy as np

from ..registry import TRANSFORMS
from ..video import naming_errors, read_video
from .pipelines import split_at_decoding, step_type

VideoInput = Union[str, 'os.PathLike[str]', np.ndarray]

FPS = 25.0  # of frames without a clock
CHANNELS = {'RGB': 3, 'Flow': 2}


def make_sample(dataset: Any, video: VideoInput) -> Dict[str, Any]:
    """What a data set hands to its pipeline for a video, without its label.

    Args:
        dataset (ConfigDict): The config of the data set, see `find_dataset`.
        video (str | np.ndarray): A video file; or a folder of frames where
            the pipeline has `RawFrameDecode`; or (T, H, W, 3) uint8 RGB, in
            memory or in a .npy file, where it has `ArrayDecode`.

    Raises:
        OSError: The folder or the .npy file cannot be read.
        ValueError: The video is not what the pipeline reads.
    """
    _, decode, _ = split_at_decoding(dataset.pipeline)
    kind = step_type(decode)
    reads_folders = kind.endswith('RawFrameDecode')
    sample = dict(
        label=-1,
        modality=dataset.get('modality', 'RGB'),
        start_index=dataset.get('start_index', int(reads_folders)),
    )
    path = '' if isinstance(video, np.ndarray) else os.fspath(video)
    is_folder = os.path.isdir(path)
    if kind.endswith('ArrayDecode'):
        expected = 'an array or a .npy file'
        if not path or path.endswith('.npy'):
            array = _load_array(video, CHANNELS.get(sample['modality']))
            return dict(sample, array=array, total_frames=len(array))
    elif reads_folders:
        expected = 'a folder of frames'
        if is_folder:
            return dict(sample, **_describe_folder(dataset, sample, path))
    else:
        expected = 'a video file'
        if path and not is_folder:
            return dict(sample, filename=path)
    came = f'the {"folder" if is_folder else "file"} {path}'
    raise ValueError(
        f'the test pipeline of the config reads {expected} ({kind}), got '
        f'{came if path else "an array"}'
    )


def read_frames(
    dataset: Any, video: VideoInput
) -> Tuple[Iterator[np.ndarray], float]:
    """The frames of what a pipeline reads, to draw on them, one by one.

    Args:
        dataset (ConfigDict): The config of the data set, see `find_dataset`.
        video (str | np.ndarray): See `make_sample`.

    Returns:
        tuple: The frames, (H, W, 3) uint8 RGB, and how many a second has; 25
        where nothing says it.

    Raises:
        OSError: The folder or the .npy file cannot be read.
        ValueError: The video cannot be read, is not what the pipeline reads,
            or is optical flow.
    """
    sample = make_sample(dataset, video)
    if sample['modality'] != 'RGB':
        raise ValueError(
            f'expected RGB frames to draw on, got modality='
            f'{sample["modality"]!r} of the test set'
        )
    if 'filename' in sample:
        return read_video(sample['filename'])
    decode = TRANSFORMS.build(split_at_decoding(dataset.pipeline)[1])

    def decode_frames() -> Iterator[np.ndarray]:
        for index in range(sample['total_frames']):
            frame_inds = np.array([sample['start_index'] + index])
            with naming_errors(name_of(video)):
                yield decode(dict(sample, frame_inds=frame_inds))['imgs'][0]

    return decode_frames(), FPS


def name_of(video: VideoInput) -> str:
    """What messages call a video: its path, or 'the array'."""
    return 'the array' if isinstance(video, np.ndarray) else os.fspath(video)


def _describe_folder(dataset: Any, sample: dict, folder: str) -> dict:
    """Where the frames are and how many; there must be no gap."""
    template = dataset.get('filename_tmpl', 'img_{:05}.jpg')
    is_flow = sample['modality'] == 'Flow'
    name = template.replace('{}', 'x') if is_flow else template
    fixed = map(re.escape, re.split(r'\{.*?\}', name))
    pattern = re.compile(r'(\d+)'.join(fixed))
    matches = map(pattern.fullmatch, os.listdir(folder))
    numbers = sorted(int(match[1]) for match in matches if match)
    first = sample['start_index']
    if not numbers or numbers != list(range(first, first + len(numbers))):
        came = 'none'
        if numbers:
            came = f'{len(numbers)} from {numbers[0]} to {numbers[-1]}'
        raise ValueError(
            f'{folder}: expected frames named {template}, numbered from '
            f'{first} without a gap, got {came}. filename_tmpl and '
            "start_index of the config's test set say how they are named"
        )
    return dict(
        frame_dir=folder, filename_tmpl=template, total_frames=len(numbers)
    )


def _load_array(video: VideoInput, channels: Optional[int]) -> np.ndarray:
    if isinstance(video, np.ndarray):
        array = video
    else:
        with naming_errors(name_of(video)):
            try:
                array = np.load(video, mmap_mode='r', allow_pickle=False)
            except EOFError as error:
                raise ValueError('the file is empty') from error
    fits = array.ndim == 4 and array.shape[-1] == channels
    if not fits or array.dtype != np.uint8:
        raise ValueError(
            f'{name_of(video)}: expected frames (T, H, W, {channels}) uint8, '
            f'got {array.shape} {array.dtype}'
        )
    return array
