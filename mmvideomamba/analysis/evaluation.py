"""Testing a model that is there, without a runner."""

import copy
from typing import Any, Dict

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..datasets.pipelines import find_dataset
from ..progress import track


def evaluate(model: BaseModel, config: Config) -> Dict[str, Any]:
    """Test a recognizer on the test set of a config, with a progress bar.

    Args:
        model (BaseModel): A recognizer with its preprocessor, in evaluation
            mode.
        config (Config): Its `test_dataloader` and `test_evaluator` are used.

    Returns:
        dict: The metrics, such as `acc/top1` in 0..1.

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
