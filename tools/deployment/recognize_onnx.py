"""Recognise the action in a video with onnxruntime, PyAV and numpy alone.

Takes the model that export.py --format onnx writes and the .json beside it;
prints the five best classes.

    python tools/deployment/recognize_onnx.py MODEL.onnx VIDEO
"""

import argparse
import json
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model')
    parser.add_argument('video')
    args = parser.parse_args()
    try:
        about = json.loads(Path(args.model).with_suffix('.json').read_text())
        scores = score(args.model, read_clips(args.video, about))
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f'error: {error}')
    form = '.1%' if about['scores'] == 'prob' else '.3f'
    for label in np.argsort(-scores)[:5]:
        print(f'{scores[label]:{form}}  {about["classes"][label]}')


def score(model, clips):
    """The scores of the classes, a mean over (N, T, H, W, 3) uint8 clips."""
    try:
        session = onnxruntime.InferenceSession(model)
    except Exception as error:  # its own have no class in common
        raise ValueError(f'{model}: {str(error).splitlines()[0]}') from error
    expected = session.get_inputs()[0].shape[1:]
    if list(clips.shape[1:]) != expected:
        came = f'{list(clips.shape[1:])} by the .json beside it'
        raise ValueError(f'{model} takes clips of {expected}, got {came}')
    return session.run(['scores'], {'frames': clips})[0].mean(axis=0)


def read_clips(video, about):
    """(clips, frames, crop, crop, 3) uint8 RGB, as a description says."""
    with av.open(video) as container:
        count = sum(1 for _ in container.decode(video=0))
    if not count:
        raise ValueError(f'{video} has no frames')
    numbers, pictures = frame_numbers(about, count), {}
    with av.open(video) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                pictures[number] = fit(frame, about)
    return np.stack([[pictures[n] for n in clip] for clip in numbers])


def frame_numbers(about, count):
    """(clips, frames): which of the frames of a video are in which clip."""
    T, N = about['frames'], about['clips']
    step, clip = np.arange(T), np.arange(N)[:, None]
    if about['sampling'] == 'SampleFrames':
        room = max(count - 1 - (T - 1) * about['interval'], 0)
        start = np.round(clip * (room / (N - 1))) if N > 1 else room // 2
        return (start + step * about['interval']).astype(int) % count
    if about['sampling'] == 'SegmentSample':
        return (clip * (count / T) / N + count / T * step).astype(int)
    size = (count - 1) / T  # UniformSample
    first = (size / (N + 1) * (clip + 1)).astype(int)
    return np.round(size * step).astype(int) + first


def fit(frame, about):
    """The middle of an upright frame, resized linearly as by OpenCV."""
    picture = frame.to_ndarray(format='rgb24')
    picture = np.rot90(picture, round(frame.rotation / 90))
    sides, crop = picture.shape[:2], about['crop']
    if isinstance(about['resize'], list):
        sides = about['resize'][::-1]
    elif about['resize']:
        sides = [int(n * about['resize'] / min(sides) + 0.5) for n in sides]
    for axis, size in enumerate(sides):
        length = picture.shape[axis]
        at = ((np.arange(size) + 0.5) * length / size - 0.5).clip(0)
        low = at.astype(int)
        rows = picture.swapaxes(0, axis).astype(np.float32)
        above = rows[np.minimum(low + 1, length - 1)]
        rows = rows[low] + (at - low)[:, None, None] * (above - rows[low])
        picture = rows.swapaxes(0, axis)
    top, left = ((side - crop) // 2 for side in sides)
    picture = picture[top : top + crop, left : left + crop]
    return picture.round().astype(np.uint8)


if __name__ == '__main__':
    main()
