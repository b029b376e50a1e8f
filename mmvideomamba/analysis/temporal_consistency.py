"""Does a model use the order of the frames? Section 5.2, table 1."""

import copy
import sys
from typing import Dict, Sequence

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..datasets.pipelines import (
    find_dataset,
    find_datasets,
    split_at_decoding,
)
from ..progress import track


def evaluate_frame_orders(
    model: BaseModel, config: Config, orders: Sequence[str]
) -> Dict[str, Dict[str, float]]:
    """Test a model on reordered frames.

    A model that does not use the order of the frames scores alike in all of
    them.

    Args:
        model (BaseModel): A recognizer, in evaluation mode.
        config (Config): Brings the test set, its pipeline and the metrics.
        orders (Sequence[str]): Orders that `ReorderFrames` knows.

    Returns:
        dict: Order -> metrics, such as `acc/top1` in 0..1.

    Raises:
        ValueError: The config has no test set, or a test pipeline decodes no
            video.
    """
    results = {}
    for order in orders:
        print(order, file=sys.stderr)
        reordered = copy.deepcopy(config)
        reorder = dict(type='ReorderFrames', order=order)
        for dataset in find_datasets(reordered, 'test_dataloader'):
            before, decode, after = split_at_decoding(dataset.pipeline)
            dataset.pipeline = [*before, reorder, decode, *after]
        results[order] = evaluate(model, reordered)
    return results


def evaluate(model: BaseModel, config: Config) -> Dict[str, float]:
    """Test a recognizer on the test set of a config, with a progress bar.

    Args:
        model (BaseModel): A recognizer with its preprocessor, in evaluation
            mode.
        config (Config): Its `test_dataloader` and `test_evaluator` are used.

    Returns:
        dict[str, float]: The metrics, such as `acc/top1` in 0..1.

    Raises:
        ValueError: The config has no test set.
    """
    find_dataset(config, 'test_dataloader')
    init_default_scope(config.get('default_scope', 'mmaction'))
    loader = Runner.build_dataloader(copy.deepcopy(config.test_dataloader))
    evaluator = Evaluator(copy.deepcopy(config.test_evaluator))
    evaluator.dataset_meta = getattr(loader.dataset, 'metainfo', None)
    for batch in track(loader, len(loader)):
        with torch.no_grad():
            outputs = model.test_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
    return evaluator.evaluate(len(loader.dataset))
