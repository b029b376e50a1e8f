"""What a program has to know of an exported recognizer.

`tools/deployment/export.py` writes it beside the model, as JSON, and
`tools/deployment/recognize_onnx.py` reads it.
"""

from typing import Any, Dict, List, Optional

from mmengine.config import Config

from ..checks import require_choice
from ..datasets.pipelines import (
    find_class_names,
    find_dataset,
    split_at_decoding,
    step_type,
)

# Steps of a test pipeline, and their arguments, that a program can follow.
SAMPLERS = {
    'SampleFrames': {'clip_len', 'frame_interval', 'num_clips', 'test_mode'},
    'UniformSample': {'clip_len', 'num_clips', 'test_mode'},
    'SegmentSample': {'clip_len', 'num_clips'},
}
CROPS = {
    'CenterCrop': {'crop_size'},
    'ThreeCrop': {'crop_size'},
    'LongSideThreeCrop': {'size'},
}
RESIZE = {'Resize': {'scale', 'keep_ratio'}, 'ClipDecode': {'scale'}}


def describe(config: Config, num_clips: Optional[int] = None) -> dict:
    """Describe how the test pipeline of a config makes clips of a video.

    Args:
        config (Config): Of a recognizer.
        num_clips (int, optional): Clips of a video; None: as many as in the
            pipeline. Of several crops the middle one is meant.

    Returns:
        dict: `classes`, their names; `multi_class`; `scores`, 'prob' or
        'score'; `sampling`, the name of the sampler; `frames`, `interval` and
        `clips`; `resize`, the length of the short side, [width, height] or
        None; `crop`, the height and width of the square in the middle.

    Raises:
        ValueError: The config has no head or no test set, or its pipeline has
            steps that a program cannot follow.
    """
    head = config.model.get('cls_head')
    if not head:
        raise ValueError(
            'expected a config whose model has a cls_head, for the scores of '
            f'classes, got model.type={config.model.get("type")!r} without'
        )
    dataset = find_dataset(config, 'test_dataloader')
    before, decode, after = split_at_decoding(dataset.pipeline)
    sampler = _only(before, SAMPLERS)
    crop = _only(after, CROPS)
    size = crop.get('size', crop.get('crop_size'))
    resize = size
    if step_type(crop) != 'LongSideThreeCrop':
        resize = _resize([decode, *after])
    names = find_class_names(config.test_dataloader.dataset)
    return dict(
        classes=names or [f'class {i}' for i in range(head.num_classes)],
        multi_class=head.get('multi_class', False),
        scores=head.get('average_clips', 'prob'),
        sampling=step_type(sampler),
        frames=sampler['clip_len'],
        interval=sampler.get('frame_interval', 1),
        clips=num_clips or sampler.get('num_clips', 1),
        resize=resize,
        crop=size,
    )


def _only(steps: List[dict], known: Dict[str, set]) -> dict:
    """The one step of these kinds."""
    found = [step for step in steps if step_type(step) in known]
    if len(found) != 1:
        raise ValueError(
            f'expected one of {", ".join(known)} in the test pipeline, got '
            f'{[step_type(step) for step in steps]}'
        )
    for name in set(found[0]) - {'type'}:
        require_choice(
            f'argument of {step_type(found[0])} in the test pipeline',
            name,
            sorted(known[step_type(found[0])]),
        )
    return found[0]


def _resize(steps: List[dict]) -> Any:
    steps = [step for step in steps if step.get('scale')]
    if not steps:
        return None
    step = _only(steps, RESIZE)
    width, height = step['scale']
    if not step.get('keep_ratio', True):
        return [width, height]
    if min(width, height) != -1:
        raise ValueError(
            'expected Resize of the test pipeline with scale=(-1, SIDE) or '
            f'keep_ratio=False, got scale={step["scale"]}'
        )
    return max(width, height)
