"""What a config's pipeline makes of a video: the input of its model."""

from typing import List, NamedTuple, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from torch import Tensor, nn


class Clip(NamedTuple):
    """One view of a video, as a model sees it.

    Attributes:
        inputs (Tensor): (1, C, T, H, W) float, normalised, on the model's
            device.
        frames (np.ndarray): (T, H, W, 3) uint8 RGB, the same pictures.
    """

    inputs: Tensor
    frames: np.ndarray


def read_clip(video: str, model: nn.Module, view: int = 0) -> Clip:
    """Read a view of a video through the test pipeline of a model.

    Args:
        video (str): A video file.
        model (nn.Module): A recognizer of `mmaction.apis.init_recognizer`,
            which carries its config as `cfg`.
        view (int): Which of the pipeline's views, clip after clip; negative
            numbers count from the last.

    Raises:
        ValueError: The pipeline has no such view, or makes no clips, or the
            config has no test set.
    """
    init_default_scope(model.cfg.get('default_scope', 'mmaction'))
    data = Compose(_pipeline(model.cfg, 'test_dataloader'))(
        dict(filename=video, label=-1, start_index=0, modality='RGB')
    )
    views = data['inputs']
    if views.ndim != 5:
        raise ValueError(
            'expected a pipeline of clips, (views, C, T, H, W), got inputs '
            f'of shape {tuple(views.shape)}'
        )
    if not -len(views) <= view < len(views):
        raise ValueError(
            f'the test pipeline makes {len(views)} views, there is no view '
            f'{view}'
        )
    data['inputs'] = views[view][None]
    frames = data['inputs'][0].permute(1, 2, 3, 0).numpy()
    data = model.data_preprocessor(pseudo_collate([data]), training=False)
    return Clip(data['inputs'][:, 0], np.ascontiguousarray(frames))


def input_shape(config: Config) -> Tuple[int, ...]:
    """The shape of a validation sample of one view, batch axis included.

    Runs the validation pipeline on a blank video, without any file.

    Args:
        config (Config): A config of a video recognizer.

    Raises:
        ValueError: The config has no pipeline that makes clips of a video.
    """
    init_default_scope(config.get('default_scope', 'mmaction'))
    # Configs that can only be tested have no validation.
    has_val = config.get('val_dataloader')
    loader = 'val_dataloader' if has_val else 'test_dataloader'
    pipeline = _without_files(_pipeline(config, loader))
    try:
        inputs = Compose(pipeline)(
            dict(total_frames=300, start_index=0, modality='RGB', label=0)
        )['inputs']
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'the validation pipeline does not run on a blank video: {error!r}'
        ) from error
    if inputs.ndim == 5:
        inputs = inputs[:1]  # (views, C, T, H, W)
    return (1, *inputs.shape)


def _pipeline(config: Config, dataloader: str) -> List[dict]:
    if not config.get(dataloader):
        raise ValueError(f'the config has no {dataloader}')
    dataset = config[dataloader].dataset
    while 'dataset' in dataset:  # Wrappers such as RepeatDataset.
        dataset = dataset.dataset
    return dataset.pipeline


def _without_files(pipeline: List[dict]) -> list:
    """Replace opening and decoding a video by blank frames."""
    steps: list = []
    for step in pipeline:
        if step['type'].endswith('Decode'):
            steps.append(_blank_frames)
        elif not step['type'].endswith('Init'):
            steps.append(step)
    return steps


def _blank_frames(results: dict) -> dict:
    size = (256, 340)
    count = np.size(results['frame_inds'])
    results['imgs'] = [np.zeros((*size, 3), np.uint8)] * count
    results['original_shape'] = results['img_shape'] = size
    return results
