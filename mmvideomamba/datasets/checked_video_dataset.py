"""mmaction2's VideoDataset that says at once what is wrong with a list."""

import os.path as osp
from typing import List

from mmaction.datasets import VideoDataset
from mmengine.dataset import BaseDataset

from ..registry import DATASETS
from .annotations import check_labels, read_annotations


@DATASETS.register_module()
class CheckedVideoDataset(VideoDataset):
    """A `VideoDataset` whose list file is checked before training starts.

    Takes the arguments of mmaction2's `VideoDataset`. Videos are looked for
    when `data_prefix` is a local folder, about a second for 200,000 of them.
    With `multi_class`, a line may have several labels or none, and a sample's
    label is a (num_classes,) float tensor of ones and zeros.

    Raises:
        FileNotFoundError: The list, or a video it names, does not exist.
        ValueError: The list is empty, a line does not parse or lacks its
            label (which `test_mode` and `multi_class` can do without), or a
            label lies outside `num_classes`, where that is given.
    """

    def load_data_list(self) -> List[dict]:
        """Read the list file; see the class for what is checked."""
        annotations = read_annotations(
            self.ann_file,
            self.delimiter,
            multi_class=self.multi_class,
            needs_labels=not self.test_mode,
        )
        if self.multi_class and self.num_classes is None:
            raise ValueError('multi_class=True needs num_classes')
        if self.num_classes is not None:
            check_labels(annotations, self.num_classes, self.ann_file)
        folder = self.data_prefix['video'] or ''
        data_list = []
        for video, labels in annotations:
            label = labels[0] if labels else -1
            data_list.append(
                dict(
                    filename=osp.join(folder, video),
                    label=list(labels) if self.multi_class else label,
                )
            )
        self._check_videos([str(data['filename']) for data in data_list])
        return data_list

    def _check_videos(self, paths: List[str]) -> None:
        missing = [p for p in paths if '://' not in p and not osp.exists(p)]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of the {len(paths)} videos named in '
                f'{self.ann_file} do not exist, the first is {missing[0]}. '
                'Check data_prefix, or leave them out of the list'
            )

    def get_cat_ids(self, idx: int) -> List[int]:
        """The labels of a sample, which ClassBalancedDataset asks for.

        Args:
            idx (int): Index of the sample.

        Returns:
            list[int]: Empty where the sample has no label.
        """
        # Above it, mmaction2 makes a vector of several labels.
        label = BaseDataset.get_data_info(self, idx)['label']
        labels = label if self.multi_class else [label]
        return [number for number in labels if number >= 0]

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline; a video without frames is named."""
        try:
            return super().prepare_data(idx)
        except IndexError as error:
            raise ValueError(
                f'{self.get_data_info(idx)["filename"]} has no frames, or '
                f'fewer than its header says ({error})'
            ) from error
