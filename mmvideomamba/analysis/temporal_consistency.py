"""Does a model use the order of the frames? Section 5.2, table 1."""

import copy
import sys
from typing import Dict, Sequence

from mmengine.config import Config
from mmengine.model import BaseModel

from ..datasets.pipelines import find_datasets, split_at_decoding
from .evaluation import evaluate


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
