"""Finding one's way in the data sets and pipelines of a config."""

from typing import Any, Dict, Iterator, List, Sequence, Tuple

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset

Step = Dict[str, Any]


def leaf_datasets(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers, such as RepeatDataset or ConcatDataset.

    Args:
        dataset: A data set or the config of one.

    Yields:
        Those that wrap no other, of the same kind as `dataset`.
    """
    inner = getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner is None:
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


def find_dataset(config: Config, dataloader: str) -> Any:
    """The config of the first data set that a dataloader reads.

    Args:
        config (Config): A config of mmaction2.
        dataloader (str): 'train_dataloader', 'val_dataloader' or
            'test_dataloader'.

    Raises:
        ValueError: The config has no such dataloader.
    """
    if not config.get(dataloader):
        raise ValueError(f'the config has no {dataloader}')
    return next(leaf_datasets(config[dataloader].dataset))


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
    kinds = [step['type'] for step in pipeline]
    for place, kind in enumerate(kinds):
        if kind.endswith('Decode'):
            before, after = pipeline[:place], pipeline[place + 1 :]
            return list(before), pipeline[place], list(after)
    raise ValueError(
        f'the pipeline decodes no video: expected a step such as '
        f'DecordDecode, got {kinds}'
    )
