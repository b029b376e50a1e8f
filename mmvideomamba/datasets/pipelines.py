"""Finding one's way in the data sets and pipelines of a config."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ..registry import DATASETS
from .annotations import read_class_names

Step = Dict[str, Any]


def leaf_datasets(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers, such as RepeatDataset or ConcatDataset.

    Args:
        dataset: A data set or the config of one; wrappers hold what they
            wrap in `dataset` or `datasets`, and may wrap wrappers.

    Yields:
        Those that wrap no other, of the same kind as `dataset`.
    """
    inner = _get(dataset, 'datasets')
    if inner is None:
        inner = [_get(dataset, 'dataset')]
    # Another argument of this name, such as the name of a data set.
    if any(part is None or isinstance(part, str) for part in inner):
        yield dataset
        return
    for part in inner:
        yield from leaf_datasets(part)


def has_several_labels(dataset: BaseDataset) -> bool:
    """Whether a sample's label is a vector with a place for every class.

    Args:
        dataset (BaseDataset): A data set of mmaction2 that is not empty.
    """
    if getattr(dataset, 'multi_class', False):
        return True
    label = dataset.get_data_info(0).get('label', -1)
    return torch.as_tensor(label).numel() > 1


def find_datasets(config: Config, dataloader: str) -> List[Any]:
    """The configs of the data sets that a dataloader reads.

    Args:
        config (Config): A config of mmaction2.
        dataloader (str): 'train_dataloader', 'val_dataloader' or
            'test_dataloader'.

    Returns:
        list[ConfigDict]: At least one, each without wrappers.

    Raises:
        ValueError: The config has no such dataloader, or it has no data set.
    """
    if not config.get(dataloader):
        raise ValueError(f'the config has no {dataloader}')
    datasets = list(leaf_datasets(config[dataloader].get('dataset')))
    if not datasets or datasets[0] is None:
        raise ValueError(f'{dataloader} of the config has no dataset')
    return datasets


def find_dataset(config: Config, dataloader: str) -> Any:
    """The first of `find_datasets`."""
    return find_datasets(config, dataloader)[0]


def find_class_names(dataset: Any) -> Optional[List[str]]:
    """The names of the classes by the `metainfo` of a data set.

    Args:
        dataset: A data set or the config of one, in whatever wrappers.

    Returns:
        list[str], optional: Of the first data set that names them, as a
        list or in a file.

    Raises:
        OSError: The file of the names cannot be read.
        ValueError: It is not UTF-8.
    """
    for leaf in leaf_datasets(dataset):
        metainfo = _get(leaf, 'metainfo') or {}
        kind = _get(leaf, 'type')
        if isinstance(kind, str):
            kind = DATASETS.get(kind)
        own = getattr(kind, 'METAINFO', {})
        classes = metainfo.get('classes') or own.get('classes')
        if isinstance(classes, str):
            classes = read_class_names(classes)
        if classes:
            return list(classes)
    return None


def find_paths(dataset: Any) -> Optional[List[str]]:
    """The paths of the samples of a data set, in its order.

    Args:
        dataset (Dataset): A data set of mmaction2, in whatever wrappers.

    Returns:
        list[str], optional: Files, or folders of frames; None where the data
        set does not tell.
    """
    if not hasattr(dataset, 'get_data_info'):
        return None
    samples = map(dataset.get_data_info, range(len(dataset)))
    paths = [s.get('filename') or s.get('frame_dir') for s in samples]
    return None if None in paths else list(map(str, paths))


def step_type(step: Any) -> str:
    """The name of the type of a step, which may be built already."""
    kind = step['type'] if isinstance(step, dict) else type(step)
    return kind if isinstance(kind, str) else kind.__name__


def find_decoding(pipeline: Sequence[Any]) -> Optional[int]:
    """The number of the step that decodes the frames, None without one."""
    kinds = map(step_type, pipeline)
    numbers = (i for i, kind in enumerate(kinds) if kind.endswith('Decode'))
    return next(numbers, None)


def reads_from_disk(pipeline: Sequence[Any]) -> bool:
    """Whether a step of a built pipeline opens files of the local disk."""
    return any(
        getattr(step, 'io_backend', None) == 'disk' for step in pipeline
    )


def split_at_decoding(
    pipeline: Sequence[Step],
) -> Tuple[List[Step], Step, List[Step]]:
    """Split a pipeline at the step that decodes the frames.

        before, decode, after = split_at_decoding(pipeline)
        pipeline = [*before, decode, dict(type='VideoRandAugment'), *after]

    Args:
        pipeline (Sequence[dict]): Configs of the transforms.

    Returns:
        tuple: The steps before it, that step, and the steps after it.

    Raises:
        ValueError: No type in the pipeline ends with `Decode`.
    """
    place = find_decoding(pipeline)
    if place is None:
        raise ValueError(
            f'the pipeline decodes no video: expected a step such as '
            f'DecordDecode, got {[step_type(step) for step in pipeline]}'
        )
    before, after = pipeline[:place], pipeline[place + 1 :]
    return list(before), pipeline[place], list(after)


def _get(dataset: Any, name: str) -> Any:
    """An argument of a config, or an attribute of an object."""
    if isinstance(dataset, dict):
        return dataset.get(name)
    return getattr(dataset, name, None)
