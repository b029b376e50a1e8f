"""Clips to begin with: those that a model is tested on."""

import os
from typing import Dict

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.pipelines import find_class_names, find_dataset, find_paths
from ..registry import DATASETS
from ..visualization.predictions import class_name

MOST = 8


def find_samples(config: Config) -> Dict[str, str]:
    """A test video of each class, of at most `MOST`.

    Args:
        config (Config): Of a model.

    Returns:
        dict[str, str]: Class -> path. Empty where the test set is not on this
        machine, or does not read videos with one label each.
    """
    init_default_scope(config.get('default_scope', 'mmaction'))
    samples: Dict[str, str] = {}
    try:
        dataset = DATASETS.build(find_dataset(config, 'test_dataloader'))
        paths = find_paths(dataset)
    except (KeyError, OSError, ValueError):
        return samples
    classes = find_class_names(dataset)
    for number, path in enumerate(paths or ()):
        label = dataset.get_data_info(number)['label']
        if isinstance(label, int) and label >= 0 and os.path.isfile(path):
            samples.setdefault(class_name(label, classes), path)
        if len(samples) == MOST:
            break
    return samples
