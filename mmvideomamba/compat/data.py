"""Data sets, and reading videos through `mmvideomamba.video`."""

import io
import os
from functools import wraps
from typing import Any, List

from .. import video, video_files
from ..files import write_bytes


def balance_action_datasets() -> None:
    """Let ClassBalancedDataset balance mmaction2's data sets, wrapped or not.

    It asks for `get_cat_ids`, the labels of a sample, which none of them has
    and which two wrappers do not pass on:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dataset/dataset_wrapper.py
    """
    from mmaction.datasets import BaseActionDataset
    from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

    def of_videos(self: BaseActionDataset, idx: int) -> List[int]:
        # Its own `get_data_info` makes a vector of several labels.
        label = BaseDataset.get_data_info(self, idx).get('label', -1)
        labels = label if isinstance(label, (list, tuple)) else [label]
        return [number for number in labels if number >= 0]

    def of_concatenated(self: ConcatDataset, idx: int) -> List[int]:
        number, idx = self._get_ori_dataset_idx(idx)
        return self.datasets[number].get_cat_ids(idx)

    def of_repeated(self: RepeatDataset, idx: int) -> List[int]:
        return self.dataset.get_cat_ids(self._get_ori_dataset_idx(idx))

    for kind, get_cat_ids in (
        (BaseActionDataset, of_videos),
        (ConcatDataset, of_concatenated),
        (RepeatDataset, of_repeated),
    ):
        # mmengine's `BaseDataset` has one that raises.
        own = getattr(kind, 'get_cat_ids', None)
        if own in (None, BaseDataset.get_cat_ids):
            kind.get_cat_ids = get_cat_ids


def end_workers_with_the_run() -> None:
    """Let a run end its persistent workers when it is over.

    The garbage collector closes their queues before PyTorch can tell them to
    end, which then waits five seconds for each, see `_shutdown_workers`:
    https://github.com/pytorch/pytorch/blob/v2.8.0/torch/utils/data/dataloader.py
    """
    from mmengine.runner import FlexibleRunner, Runner

    def ending_workers(run: Any) -> Any:
        @wraps(run)
        def run_and_end(self: Any) -> Any:
            try:
                return run(self)
            finally:
                for name in ('train', 'val', 'test'):
                    # Asked as a public property, a loop would be built.
                    loop = getattr(self, f'_{name}_loop')
                    loader: Any = getattr(loop, 'dataloader', None)
                    iterator = getattr(loader, '_iterator', None)
                    if iterator is not None:
                        iterator._shutdown_workers()
                        loader._iterator = None

        return run_and_end

    for runner in (Runner, FlexibleRunner):
        if not hasattr(runner.train, '__wrapped__'):
            for name in ('train', 'val', 'test'):
                setattr(runner, name, ending_workers(getattr(runner, name)))


def open_videos_through_one_reader() -> None:
    """Let `DecordInit` open videos through `mmvideomamba.video.open_video`.

    Its errors name the file, and it reads what decord cannot, or reads
    wrongly: https://github.com/dmlc/decord/issues/91
    """
    from mmaction.datasets.transforms.loading import DecordInit

    def open_with(self: DecordInit, filename: str) -> Any:
        if self.io_backend == 'disk':
            return video.open_video(filename, self.num_threads)
        # mmaction2 takes names without suffix for those of .mp4 files.
        if not os.path.splitext(filename)[1]:
            filename += '.mp4'
        file = _fetch(self, filename)
        return video.open_video_bytes(filename, file, self.num_threads)

    DecordInit._get_video_reader = open_with


def read_with_pyav_as_with_decord() -> None:
    """Let `PyAVInit` and `PyAVDecode` give the frames that decord gives.

    They take the number of frames from the header, 0 in many a format, ignore
    the display matrix of phone videos, and repeat frames for those that are
    missing: https://github.com/open-mmlab/mmcv/issues/1672
    """
    from mmaction.datasets.transforms.loading import PyAVDecode, PyAVInit

    def init(self: PyAVInit, results: dict) -> dict:
        with video.naming_errors(results['filename']):
            file = _fetch(self, results['filename'])
            with video.open_container(file) as container:
                results['total_frames'] = len(video.frame_times(container))
            results['video_reader'] = video.open_container(file)
        return results

    decode_efficiently = PyAVDecode.transform

    def decode(self: PyAVDecode, results: dict) -> dict:
        if self.mode == 'efficient':
            return decode_efficiently(self, results)
        container = results['video_reader']
        if self.multi_thread:
            container.streams.video[0].thread_type = 'AUTO'
        results['frame_inds'] = results['frame_inds'].reshape(-1)
        images = video.pick_frames(container, results['frame_inds'].tolist())
        results['imgs'], results['video_reader'] = images, None
        results['original_shape'] = results['img_shape'] = images[0].shape[:2]
        return results

    def first_frame(container: Any, stream: Any) -> Any:
        return next(map(video.upright, container.decode(stream)), None)

    PyAVInit.transform = init
    PyAVDecode.transform = decode
    PyAVDecode.frame_generator = staticmethod(first_frame)


def read_with_opencv_as_with_decord() -> None:
    """Let `OpenCVInit` count and find frames where their rate varies.

    OpenCV computes the number of frames, and the place of one, from the
    average rate: https://github.com/opencv/opencv/issues/9053. It also reads
    playlists, and opens what they name.
    """
    import mmcv
    from mmaction.datasets.transforms.loading import OpenCVInit
    from mmaction.utils import get_thread_id

    class ForwardReader(mmcv.VideoReader):
        """Finds a frame by reading all that come before it."""

        def __init__(self, path: str) -> None:
            with video.open_container(path) as container:
                count = len(video.frame_times(container))
            super().__init__(path)
            self._position, self._frame_cnt, self._path = 0, count, path

        def _set_real_position(self, frame_id: int) -> None:
            if frame_id < self._position:
                self._vcap.open(self._path)
                self._position = 0
            while self._position < frame_id and self._vcap.grab():
                self._position += 1

        def _get_real_position(self) -> int:
            return self._position

    def init_forward(self: OpenCVInit, results: dict) -> dict:
        with video.naming_errors(results['filename']):
            path = copy_if_remote(self, results['filename'])
            reader = ForwardReader(path)
        results.update(
            new_path=path, video_reader=reader, total_frames=len(reader)
        )
        return results

    def copy_if_remote(self: OpenCVInit, filename: str) -> str:
        if self.io_backend == 'disk':
            return video_files.video_file(filename)
        path = f'{self.tmp_folder}/tmp_{get_thread_id()}.mp4'
        write_bytes(path, _fetch(self, filename).getvalue())
        return path

    OpenCVInit.transform = init_forward


def _fetch(transform: Any, filename: str) -> io.BytesIO:
    """Read a file as mmaction2's transforms that open videos do."""
    from mmengine.fileio import FileClient

    if transform.io_backend == 'disk':
        filename = video_files.video_file(filename)
    if transform.file_client is None:
        transform.file_client = FileClient(
            transform.io_backend, **transform.kwargs
        )
    return io.BytesIO(transform.file_client.get(filename))
