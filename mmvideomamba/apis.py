"""What tools, notebooks and web pages share: a model, a clip, an answer.

model = get_model('videomamba-small-p16_opengvlab-8f_kinetics400-rgb')
model = init_model('CONFIG.py', 'CHECKPOINT.pth')
name, score = recognize(model, 'clip.mp4')[0]
for scores in recognize(model, ['a.mp4', 'b.mp4']):
    print(scores[0])
for features in extract_features(model, ['a.mp4', 'b.mp4']):
    print(features.shape)

clip = read_clip(model, 'clip.mp4')
feature = find_backbone(model)(clip.inputs)
"""

import copy
import os
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
    overload,
)

import numpy as np
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from .checkpoints import load_backbone
from .datasets.pipelines import (
    find_class_names,
    find_dataset,
    split_at_decoding,
    step_type,
)
from .datasets.video_inputs import VideoInput, make_sample, name_of
from .model_zoo import find_model
from .models import VideoMamba
from .registry import MODELS
from .video import naming_errors
from .visualization.predictions import ClassScore, top_scores


class Clip(NamedTuple):
    """One view of a video, as a model sees it.

    Attributes:
        inputs (Tensor): (1, C, T, H, W) float, normalised, on the model's
            device.
        frames (np.ndarray): (T, H, W, 3) uint8 RGB, the same pictures.
    """

    inputs: Tensor
    frames: np.ndarray


def init_model(
    config: Union[str, Config],
    checkpoint: Optional[str] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
) -> BaseModel:
    """Build a recognizer and load its weights.

    `mmaction.apis.init_recognizer` with a device that is there, settings that
    replace those of the config, and no download of an `init_cfg`. The test
    pipeline is that of the config's test set, as in tools/test.py:
    `test_pipeline`, which `mmaction.apis.inference_recognizer` reads, is set
    to it.

    Args:
        config (str | Config): A config of any mmaction2 recognizer, the path
            of one, or a model folder. It stays as it is.
        checkpoint (str, optional): A file, URL or model folder. None: random
            weights.
        device (str, optional): Such as 'cuda:0'. None: a GPU if there is
            one.
        cfg_options (dict, optional): Settings such as
            {'model.test_cfg.max_testing_views': 4}.

    Returns:
        BaseModel: In evaluation mode, its config in `cfg`.

    Raises:
        OSError: The config or the checkpoint cannot be read.
        ValueError: The device cannot be used, the config has a type that
            nobody registered, or the checkpoint does not fit.
    """
    device = device or ('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f'{device}: {error}') from error

    if isinstance(config, str):
        config = find_model(config).config
    config = copy.deepcopy(config)
    config.merge_from_dict(cfg_options or {})
    if config.get('test_dataloader'):
        dataset = find_dataset(config, 'test_dataloader')
        config.test_pipeline = copy.deepcopy(dataset.pipeline)
    # The checkpoint brings the weights; nothing else is to be loaded.
    config.model.get('backbone', {}).pop('init_cfg', None)
    try:
        return init_recognizer(config, checkpoint, device=device)
    except KeyError as error:
        # The registry's message; str() of a KeyError puts it in quotes.
        raise ValueError(error.args[0]) from error


def get_model(
    name: str,
    pretrained: Union[bool, str] = True,
    num_classes: Optional[int] = None,
    out_type: Optional[str] = None,
    device: Optional[str] = None,
) -> Union[BaseModel, VideoMamba]:
    """Build a model that has a name.

    Args:
        name (str): A name of `list_models`, that of a config of ours, a model
            folder, or that of a training, see `model_zoo.find_model`.
        pretrained (bool | str): Whether to load its own weights, or the file
            or URL of others.
        num_classes (int, optional): Classes of the head. With another number
            than that of the weights, the head starts anew.
        out_type (str, optional): Of the backbone, which is then all that is
            returned; it takes clips as `read_clip` makes them.
        device (str, optional): As in `init_model`.

    Returns:
        BaseModel | VideoMamba: The recognizer, or its backbone, in evaluation
        mode.

    Raises:
        OSError, ValueError: As `find_model`, `init_model` and
            `load_backbone` do, or there are no weights.
    """
    config, checkpoint = find_model(name)
    if not isinstance(pretrained, bool):
        checkpoint = pretrained
    elif not pretrained:
        checkpoint = None
    elif checkpoint is None:
        raise ValueError(
            f'{name} comes without weights: name a file of some, or set '
            'pretrained=False'
        )
    if out_type is not None:
        config.model.backbone.out_type = out_type
    head = config.model.cls_head
    new_head = num_classes not in (None, head.num_classes)
    if new_head:
        head.num_classes = num_classes
    model = init_model(config, None if new_head else checkpoint, device)
    if new_head and checkpoint is not None:
        load_backbone(find_backbone(model), checkpoint)
    return model if out_type is None else find_backbone(model)


def find_backbone(model: nn.Module) -> VideoMamba:
    """The VideoMamba in a model.

    Raises:
        ValueError: There is none.
    """
    for module in model.modules():
        if isinstance(module, VideoMamba):
            return module
    raise ValueError(
        f'expected a model with a VideoMamba backbone, got {type(model)}'
    )


def read_clip(
    model: Union[BaseModel, Config], video: VideoInput, view: int = 0
) -> Clip:
    """Read a view of a video as the test pipeline of a model makes it.

    Args:
        model (BaseModel | Config): A model of `init_model`, or its config;
            a config alone gives a clip on the CPU.
        video (str | np.ndarray): A video file, or what else the test
            pipeline reads: a folder of frames or an array, see
            `datasets.video_inputs.make_sample`.
        view (int): Which of the pipeline's views, clip after clip; negative
            numbers count from the last.

    Raises:
        ValueError: The video cannot be read or is not what the pipeline
            reads, the pipeline has no such view or makes no clips, or the
            config has no test set.
    """
    if isinstance(model, Config):
        config = model
        init_default_scope(config.get('default_scope', 'mmaction'))
        preprocessor = MODELS.build(config.model.data_preprocessor)
    else:
        config, preprocessor = model.cfg, model.data_preprocessor
    data = _read_views(config, video)
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
    data = preprocessor(pseudo_collate([data]), training=False)
    return Clip(data['inputs'][:, 0], np.ascontiguousarray(frames))


@overload
def recognize(
    model: BaseModel,
    videos: VideoInput,
    classes: Optional[Sequence[str]] = None,
) -> List[ClassScore]: ...


@overload
def recognize(
    model: BaseModel,
    videos: Iterable[VideoInput],
    classes: Optional[Sequence[str]] = None,
) -> Iterator[List[ClassScore]]: ...


def recognize(
    model: BaseModel,
    videos: Union[VideoInput, Iterable[VideoInput]],
    classes: Optional[Sequence[str]] = None,
) -> Union[List[ClassScore], Iterator[List[ClassScore]]]:
    """Recognise the action in a video, from all views of the test pipeline.

    Args:
        model (BaseModel): A model of `init_model` or `get_model`.
        videos (VideoInput | Iterable[VideoInput]): A video file, or what else
            the test pipeline reads, see `read_clip`; or several of them.
        classes (Sequence[str], optional): Names of the classes. None: those
            that the config names for its test set, or numbers.

    Returns:
        list[ClassScore] | Iterator[list[ClassScore]]: Name and score of every
        class, the best first. Where `predicts_probabilities(model)`, in
        [0, 1]: they add up to 1, or, if the head has `multi_class=True`, are
        independent. Of several videos, one list after the other, each read
        when it is asked for; an error of one does not end the iterator, whose
        next element is that of the next video.

    Raises:
        ValueError: The video cannot be read or is not what the pipeline
            reads, the names are not as many as the classes, the head does not
            average the views of a video, or the config has no test set.
    """

    def recognize_one(video: VideoInput) -> List[ClassScore]:
        return score_views(model, _read_views(model.cfg, video), classes)

    return _one_or_each(recognize_one, videos)


def extract_features(
    model: BaseModel, videos: Union[VideoInput, Iterable[VideoInput]]
) -> Union[Tensor, Iterator[Tensor]]:
    """What the backbone makes of all views of a video.

    Args:
        model (BaseModel): A recognizer of `init_model` or `get_model`. The
            `out_type` of its `find_backbone(model)`, which may be set to
            another, says what is returned.
        videos (VideoInput | Iterable[VideoInput]): As for `recognize`.

    Returns:
        Tensor | Iterator[Tensor]: On the CPU, (V, ...) for the V views of the
        test pipeline, such as (V, C) with out_type='cls_token'. Of several
        videos, one tensor after the other, as of `recognize`.

    Raises:
        ValueError: The video cannot be read or is not what the pipeline
            reads, the config has no test set, or `model` has no VideoMamba,
            or is one, which has no pipeline.
    """
    if find_backbone(model) is model:
        raise ValueError(
            'expected a recognizer, got its backbone alone: build it without '
            'out_type, and set find_backbone(model).out_type'
        )

    def extract_one(video: VideoInput) -> Tensor:
        data = pseudo_collate([_read_views(model.cfg, video)])
        data = model.data_preprocessor(data, training=False)
        with torch.no_grad():
            features, _ = model.extract_feat(
                data['inputs'],
                stage='backbone',
                data_samples=data['data_samples'],
                test_mode=True,
            )
        return features.cpu()

    return _one_or_each(extract_one, videos)


def _one_or_each(function: Callable[[VideoInput], Any], videos: Any) -> Any:
    """Call a function on a video, or on each of several when its turn comes.

    Unlike a generator, `map` goes on after an error.
    """
    if isinstance(videos, (str, os.PathLike, np.ndarray)):
        return function(videos)
    return map(function, videos)


def score_views(
    model: BaseModel,
    data: Dict[str, Any],
    classes: Optional[Sequence[str]] = None,
) -> List[ClassScore]:
    """Recognise what a test pipeline has made of a video, see `recognize`.

    Args:
        model (BaseModel): A model of `init_model`.
        data (dict): Of the pipeline, `inputs` and `data_samples`.
        classes (Sequence[str], optional): Names of the classes.
    """
    with torch.no_grad():
        sample = model.test_step(pseudo_collate([data]))[0]
    if sample.pred_score.ndim != 1:
        raise ValueError(
            'expected one score for each class, got scores of shape '
            f'{tuple(sample.pred_score.shape)}, (views, classes): set '
            "model.cls_head.average_clips='prob'"
        )
    scores = sample.pred_score.tolist()
    if classes is None:
        classes = find_class_names(model.cfg.test_dataloader.dataset)
    elif len(classes) != len(scores):
        raise ValueError(
            f'expected a name for each of the {len(scores)} classes of the '
            f'model, got {len(classes)} names'
        )
    return top_scores(scores, classes, k=None)


def input_shape(config: Config) -> Tuple[int, ...]:
    """The shape of a validation sample of one view, batch axis included.

    Runs the validation pipeline on a blank video, without any file.

    Args:
        config (Config): A config of a video recognizer.

    Returns:
        tuple[int, ...]: (1, 1, C, T, H, W) where the pipeline makes clips.

    Raises:
        ValueError: The config has no pipeline that makes clips of a video.
    """
    init_default_scope(config.get('default_scope', 'mmaction'))
    # Configs that can only be tested have no validation.
    has_val = config.get('val_dataloader')
    loader = 'val_dataloader' if has_val else 'test_dataloader'
    pipeline = find_dataset(config, loader).pipeline
    before, _, after = split_at_decoding(pipeline)
    # Nothing is opened either.
    before = [step for step in before if not step_type(step).endswith('Init')]
    try:
        inputs = Compose([*before, _blank_frames, *after])(
            dict(total_frames=300, start_index=0, modality='RGB', label=0)
        )['inputs']
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'the validation pipeline does not run on a blank video: {error!r}'
        ) from error
    if inputs.ndim == 5:
        inputs = inputs[:1]  # (views, C, T, H, W)
    return (1, *inputs.shape)


def _read_views(config: Config, video: VideoInput) -> Dict[str, Any]:
    """What the test pipeline makes of a video; its views in `inputs`."""
    init_default_scope(config.get('default_scope', 'mmaction'))
    dataset = find_dataset(config, 'test_dataloader')
    sample = make_sample(dataset, video)
    pipeline = Compose(dataset.pipeline)
    with naming_errors(name_of(video)):
        return pipeline(sample)


def _blank_frames(results: dict) -> dict:
    """Stands for the step that decodes."""
    size = (256, 340)
    count = np.size(results['frame_inds'])
    results['imgs'] = [np.zeros((*size, 3), np.uint8)] * count
    results['original_shape'] = results['img_shape'] = size
    return results
