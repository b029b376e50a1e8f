"""Models by name: the public weights, the recipes of `configs/`, folders."""

import fnmatch
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from mmengine.config import Config
from mmengine.fileio import load
from mmengine.runner import find_latest_checkpoint

from .model_folder import is_model_folder, read_model_folder

PACKAGE = Path(__file__).parent
RUN = 'run'
"""Where `finetune` trains, below its work folder."""


class ModelInfo(NamedTuple):
    """Public weights, and what is said of them.

    Attributes:
        name (str): What `get_model` takes.
        dataset (str): What they were trained on.
        frames (int): Frames of a clip.
        size (str): Height and width of its pictures, in pixels.
        params (float): Parameters, in millions.
        gflops (float): 10^9 multiply-accumulates for one view.
        top1 (float): Published accuracy, in %.
        results_from (str): Who published it, and who has reproduced it.
        weights (str): URL.
        config (str): Path of the config.
        cfg_options (dict): Settings that replace those of the config.
    """

    name: str
    dataset: str
    frames: int
    size: str
    params: float
    gflops: float
    top1: float
    results_from: str
    weights: str
    config: str
    cfg_options: Dict[str, Any]


class Source(NamedTuple):
    """Where a model comes from.

    Attributes:
        config (Config): With the settings of the model that was named.
        checkpoint (str, optional): Its weights, a file or URL.
    """

    config: Config
    checkpoint: Optional[str]


def list_models(pattern: str = '*') -> List[ModelInfo]:
    """List the public weights.

    Args:
        pattern (str): Names with shell wildcards, such as '*8f_kinetics*'.

    Returns:
        list[ModelInfo]: In the order of the metafile; empty if no name
        matches.
    """
    return [
        model for model in _models() if fnmatch.fnmatch(model.name, pattern)
    ]


def find_published(name: str) -> Optional[ModelInfo]:
    """The public weights of that name, None where there are none."""
    return next((model for model in _models() if model.name == name), None)


def find_model(name: str) -> Source:
    """Find a model by its name, or the one that a folder holds.

    Args:
        name (str): A name of `list_models`; a config, which comes without
            weights: a file, or the name of one in `configs/` without `.py`;
            a model folder; or the folder of a training or of `finetune`: its
            config, and its best checkpoint or else its last.

    Raises:
        OSError: A file of a model folder cannot be read.
        ValueError: There is none, or a model folder says what none may.
    """
    path = Path(name)
    if is_model_folder(path):
        return _from_model_folder(name)
    if path.is_dir():
        return _from_work_dir(path)
    if path.is_file():
        return Source(Config.fromfile(name), None)
    published = find_published(name)
    if published is not None:
        config = Config.fromfile(published.config)
        config.merge_from_dict(published.cfg_options)
        return Source(config, published.weights)
    recipes = {path.stem: path for path in _root().glob('configs/r*/**/*.py')}
    if name in recipes:
        return Source(Config.fromfile(str(recipes[name])), None)
    known = {*recipes, *(model.name for model in _models())}
    close = get_close_matches(name, known, cutoff=0.3)
    raise ValueError(
        f'no model, file or folder is called {name!r}. `mmvideomamba list` '
        f'tells the names; the closest: {", ".join(close)}'
    )


def _from_model_folder(folder: str) -> Source:
    """The config of a test, without its list and its videos."""
    description, weights = read_model_folder(folder)
    head = description['model']['cls_head']
    several = head.get('multi_class', False)
    dataset = dict(
        type='CheckedVideoDataset',
        ann_file='',
        pipeline=list(description['test_pipeline']),
        test_mode=True,
        num_classes=head['num_classes'],
        multi_class=several,
    )
    if description['classes'] is not None:
        dataset['metainfo'] = dict(classes=list(description['classes']))
    if several:
        metrics: Dict[str, Any] = dict(metric_list='mean_average_precision')
    else:
        topk = (1, 5) if head['num_classes'] >= 10 else (1,)
        metrics = dict(metric_options=dict(top_k_accuracy=dict(topk=topk)))
    runtime = _root() / 'configs/_base_/default_runtime.py'
    config = dict(
        Config.fromfile(str(runtime)).to_dict(),
        model=description['model'],
        test_dataloader=dict(
            batch_size=1,
            num_workers=min(4, os.cpu_count() or 1),
            persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='AccMetric', **metrics),
    )
    return Source(Config(config), weights)


def _from_work_dir(folder: Path) -> Source:
    config = find_config(folder)
    run = folder / RUN if (folder / RUN).is_dir() else folder
    best = sorted(map(str, run.glob('best_*.pth')), key=os.path.getmtime)
    last = find_latest_checkpoint(str(run))
    return Source(Config.fromfile(config), [last, *best][-1])


def find_config(folder: Path) -> str:
    """The path of the config in the folder of a training.

    Raises:
        ValueError: There is none, or several.
    """
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise ValueError(
            f'expected the config of one training in {folder}, got '
            f'{[path.name for path in configs]}'
        )
    return str(configs[0])


def _models() -> Iterator[ModelInfo]:
    root = _root()
    for path in load(str(root / 'model-index.yml'))['Import']:
        for model in load(str(root / path))['Models']:
            about, (result,) = model['Metadata'], model['Results']
            yield ModelInfo(
                name=model['Name'],
                dataset=about['Training Data'],
                frames=about['Frames'],
                size=about['Resolution'],
                params=float(about['Parameters'].rstrip('M')),
                gflops=float(about['FLOPs'].rstrip('G')),
                top1=result['Metrics']['Top 1 Accuracy'],
                results_from=about['Results From'],
                weights=model['Weights'],
                config=str(root / model['Config']),
                cfg_options=about.get('Config Options', {}),
            )


def _root() -> Path:
    """The folder of `configs/`: in the installed package, or the checkout."""
    mim = PACKAGE / '.mim'
    return mim if (mim / 'model-index.yml').is_file() else PACKAGE.parent
