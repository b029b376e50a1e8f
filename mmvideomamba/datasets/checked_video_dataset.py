"""mmaction2's VideoDataset that says at once what is wrong with a list."""

import os.path as osp
from typing import List

from mmaction.datasets import VideoDataset

from ..registry import DATASETS


@DATASETS.register_module()
class CheckedVideoDataset(VideoDataset):
    """A `VideoDataset` whose list file is checked before training starts.

    Takes the arguments of mmaction2's `VideoDataset`. Videos are looked for
    when `data_prefix` is a local folder, about a second for 200,000 of them.

    Raises:
        FileNotFoundError: The list, or a video it names, does not exist.
        ValueError: The list is empty, a line does not parse or lacks a label
            (which only `test_mode` can do without), or a label lies outside
            `num_classes`, where that is given.
    """

    def load_data_list(self) -> List[dict]:
        """Read the list file; see the class for what is checked."""
        if not osp.isfile(self.ann_file):
            raise FileNotFoundError(
                f'no list file {self.ann_file}. It names one video and its '
                'label a line; docs/data.md says how to make it'
            )
        self._check_lines()
        data_list = super().load_data_list()
        self._check_labels(data_list)
        self._check_videos([data['filename'] for data in data_list])
        return data_list

    def _check_lines(self) -> None:
        with open(self.ann_file) as file:
            lines = file.read().splitlines()
        if not lines:
            raise ValueError(f'the list file {self.ann_file} is empty')
        for number, line in enumerate(lines, 1):
            video, *labels = line.strip().split(self.delimiter)
            number_fits = len(labels) == 1 or (
                self.multi_class if labels else self.test_mode
            )
            numeric = all(map(str.isdecimal, labels))
            if not (video and number_fits and numeric):
                raise ValueError(
                    f'{self.ann_file}, line {number}: expected '
                    f"'VIDEO{self.delimiter}LABEL', got {line!r}. If names "
                    'hold spaces, use another separator in the list and '
                    'give it to the dataset as delimiter'
                )

    def _check_labels(self, data_list: List[dict]) -> None:
        if self.num_classes is None:
            return
        for data in data_list:
            labels = data['label'] if self.multi_class else [data['label']]
            if max(labels, default=0) >= self.num_classes:
                raise ValueError(
                    f'{self.ann_file}: label {max(labels)} of '
                    f'{data["filename"]} does not fit num_classes='
                    f'{self.num_classes}; labels count from 0'
                )

    def _check_videos(self, paths: List[str]) -> None:
        missing = [p for p in paths if '://' not in p and not osp.exists(p)]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of the {len(paths)} videos named in '
                f'{self.ann_file} do not exist, the first is {missing[0]}. '
                'Check data_prefix, or leave them out of the list'
            )

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline; a video without frames is named."""
        try:
            return super().prepare_data(idx)
        except IndexError as error:
            raise ValueError(
                f'{self.get_data_info(idx)["filename"]} has no frames, or '
                f'fewer than its header says ({error})'
            ) from error
