"""What the config.json of a model folder may say.

    {
      "format": "mmvideomamba 1",
      "license": "apache-2.0",
      "classes": ["drinking", "reading"],
      "model": {"type": "Recognizer3D", "backbone": {...}, ...},
      "test_pipeline": [{"type": "DecordInit"}, ...],
      "settings": {"backbone": {"merge": "sum", ...}, ...}
    }

`model` and `test_pipeline` are those of a config, without what only matters
in training; `settings` is what the weights record of themselves, see
`checkpoints.settings`. The file may be anyone's, so it is data: its types are
those that a VideoMamba is made of, none of their arguments names a file or a
module, and every value is compared in type, shape and range.
"""

from typing import Any, Callable, Dict, NamedTuple, Sequence

from ..text import printable

FORMAT = 'mmvideomamba 1'
# Tokens of the largest clip: 128 frames of 512 x 512 pixels.
MOST_TOKENS = 2**16
# Of all clips of a video.
MOST_FRAMES = 4096

# Checks a value, which messages call by a name; returns what a config has in
# its place, such as a tuple for a list.
Rule = Callable[[Any, str], Any]


class Part(NamedTuple):
    """What may stand in a part of the file.

    Attributes:
        rules (dict): Argument -> rule.
        needs (tuple): Arguments that must be there.
    """

    rules: Dict[str, Rule]
    needs: Sequence[str] = ()


def _expect(expected: str, fits: Callable[[Any], bool]) -> Rule:
    def check(value: Any, where: str) -> Any:
        if not fits(value):
            raise refusal(where, expected, value)
        return value

    return check


def refusal(where: str, expected: str, value: Any) -> ValueError:
    """The error for a value that is not what is expected."""
    came = printable(repr(value))
    came = came if len(came) <= 60 else came[:57] + '...'
    return ValueError(f'{where}: expected {expected}, got {came}')


def _whole(low: int, high: int) -> Rule:
    return _expect(
        f'a whole number from {low} to {high}',
        lambda value: type(value) is int and low <= value <= high,
    )


def _number(low: float, high: float) -> Rule:
    return _expect(
        f'a number from {low} to {high}',
        lambda value: type(value) in (int, float) and low <= value <= high,
    )


def _choice(*names: str) -> Rule:
    return _expect(
        f'one of {", ".join(map(repr, names))}',
        lambda value: isinstance(value, str) and value in names,
    )


def _line(most: int) -> Rule:
    return _expect(
        f'a line of text of 1 to {most} printable characters',
        lambda value: (
            isinstance(value, str)
            and 0 < len(value) <= most
            and value.isprintable()
        ),
    )


_FLAG = _expect('true or false', lambda value: isinstance(value, bool))


def _optional(rule: Rule) -> Rule:
    return lambda value, where: None if value is None else rule(value, where)


def _several(rule: Rule, low: int, high: int) -> Rule:
    expected = str(low) if low == high else f'{low} to {high}'

    def check(value: Any, where: str) -> Any:
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise refusal(where, f'a list of {expected} values', value)
        return tuple(rule(v, f'{where}[{i}]') for i, v in enumerate(value))

    return check


def _one_or_two(rule: Rule) -> Rule:
    pair = _several(rule, 2, 2)
    return lambda value, where: (pair if isinstance(value, list) else rule)(
        value, where
    )


def _fill(part: Part) -> Rule:
    """The rule of a dict of arguments."""

    def check(value: Any, where: str) -> Dict[str, Any]:
        if not isinstance(value, dict):
            raise refusal(where, 'names and values', value)
        for name in value:
            if name not in part.rules:
                known = ', '.join(part.rules)
                raise refusal(where, f'no other names than {known}', name)
        for name in part.needs:
            if name not in value:
                raise refusal(where, f'a value of {name}', value)
        return {
            name: part.rules[name](inner, f'{where}.{name}')
            for name, inner in value.items()
        }

    return check


def _typed(parts: Dict[str, Part]) -> Rule:
    """The rule of a dict whose `type` says which arguments it has."""
    kind_of = _choice(*parts)

    def check(value: Any, where: str) -> Dict[str, Any]:
        if not isinstance(value, dict):
            raise refusal(where, "{'type': ..., ...}", value)
        kind = kind_of(value.get('type'), f'{where}.type')
        own = {k: v for k, v in value.items() if k != 'type'}
        return dict(type=kind, **_fill(parts[kind])(own, where))

    return check


_FRAMES, _VIEWS, _PIXELS = _whole(1, 512), _whole(1, 64), _whole(1, 1024)
# -1 is the side that follows from the other.
_scale = _several(
    _expect(
        '-1 or a whole number from 1 to 1024',
        lambda value: type(value) is int and (value == -1 or 0 < value < 1025),
    ),
    2,
    2,
)
_SIZES = dict(
    embed_dims=_whole(1, 4096),
    num_layers=_whole(1, 256),
    d_state=_whole(1, 256),
    d_conv=_whole(1, 16),
    expand=_whole(1, 8),
)
_ARCH_NAME = _choice('nano', 'tiny', 'small', 'middle', 'base')
_ARCH_SIZES = _fill(Part(_SIZES, ('embed_dims', 'num_layers')))
_NORM = Part(dict(eps=_number(0, 1)))
ORDERS = {
    name: Part({})
    for name in (
        'SpatioTemporalForward',
        'SpatioTemporalReversal',
        'SpatialReversal',
        'TemporalReversal',
        'TemporalFirstForward',
        'TemporalFirstReversal',
        'ZigzagForward',
        'ZigzagReversal',
    )
}
BACKBONES = {
    'VideoMamba': Part(
        dict(
            arch=lambda value, where: (
                _ARCH_SIZES if isinstance(value, dict) else _ARCH_NAME
            )(value, where),
            img_size=_one_or_two(_PIXELS),
            patch_size=_PIXELS,
            num_frames=_FRAMES,
            tubelet_size=_FRAMES,
            in_channels=_whole(1, 16),
            scan_orders=_several(_typed(ORDERS), 1, 16),
            merge=_choice('sum', 'mean'),
            pos_embed=_optional(
                _choice('learnable', 'sinusoid', 'factorized')
            ),
            cls_token_position=_optional(_choice('head', 'middle')),
            out_type=_choice('cls_token', 'avg_featmap', 'featmap', 'raw'),
            norm_cfg=_typed({'RMSNorm': _NORM, 'LN': _NORM}),
        ),
        ('arch', 'img_size', 'patch_size', 'num_frames', 'tubelet_size'),
    )
}
HEADS = {
    'VideoMambaHead': Part(
        dict(
            num_classes=_whole(1, 100_000),
            in_channels=_whole(1, 4096),
            multi_class=_FLAG,
            average_clips=_optional(_choice('prob', 'score')),
        ),
        ('num_classes', 'in_channels'),
    )
}
PREPROCESSORS = {
    'ActionDataPreprocessor': Part(
        dict(
            mean=_optional(_several(_number(-1e6, 1e6), 1, 16)),
            std=_optional(_several(_number(1e-6, 1e6), 1, 16)),
            to_rgb=_FLAG,
            to_float32=_FLAG,
            format_shape=_choice('NCTHW'),
        )
    )
}
_TEST_CFG = Part(dict(max_testing_views=_VIEWS))
RECOGNIZERS = {
    'Recognizer3D': Part(
        dict(
            backbone=_typed(BACKBONES),
            cls_head=_typed(HEADS),
            data_preprocessor=_typed(PREPROCESSORS),
            test_cfg=_optional(_fill(_TEST_CFG)),
        ),
        ('backbone', 'cls_head', 'data_preprocessor'),
    )
}

_SAMPLE = dict(
    clip_len=_FRAMES,
    frame_interval=_FRAMES,
    num_clips=_VIEWS,
    temporal_jitter=_FLAG,
    twice_sample=_FLAG,
    out_of_bound_opt=_choice('loop', 'repeat_last'),
    test_mode=_FLAG,
    keep_tail_frames=_FLAG,
    target_fps=_optional(_whole(1, 1000)),
)
_UNIFORM = Part(
    dict(clip_len=_FRAMES, num_clips=_VIEWS, test_mode=_FLAG), ['clip_len']
)
_DECODE_MODE = dict(mode=_choice('accurate', 'efficient'))
_CROP = Part(dict(crop_size=_one_or_two(_PIXELS)), ['crop_size'])
STEPS = {
    'DecordInit': Part(dict(num_threads=_whole(1, 64))),
    'DecordDecode': Part(_DECODE_MODE),
    'ClipDecode': Part(dict(scale=_optional(_scale))),
    'PyAVInit': Part({}),
    'PyAVDecode': Part(dict(multi_thread=_FLAG, **_DECODE_MODE)),
    'OpenCVInit': Part({}),
    'OpenCVDecode': Part({}),
    'SampleFrames': Part(_SAMPLE, ['clip_len']),
    'DenseSampleFrames': Part(
        dict(
            _SAMPLE,
            sample_range=_whole(1, 10_000),
            num_sample_positions=_VIEWS,
        ),
        ['clip_len'],
    ),
    'UniformSample': _UNIFORM,
    'SegmentSample': Part(
        dict(clip_len=_FRAMES, num_clips=_VIEWS), ['clip_len']
    ),
    'ReorderFrames': Part(dict(order=_line(40))),
    'Resize': Part(
        dict(
            scale=_scale,
            keep_ratio=_FLAG,
            interpolation=_choice('nearest', 'bilinear', 'bicubic', 'area'),
        ),
        ['scale'],
    ),
    'CenterCrop': _CROP,
    'ThreeCrop': _CROP,
    'TenCrop': _CROP,
    'LongSideThreeCrop': Part(dict(size=_PIXELS), ['size']),
    'FormatShape': Part(dict(input_format=_choice('NCTHW')), ['input_format']),
    'PackActionInputs': Part({}),
}


def _named(rule: Rule, most: int) -> Rule:
    """The rule of a dict with names of any kind."""
    name_of = _line(100)

    def check(value: Any, where: str) -> Dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            raise refusal(where, f'at most {most} names and values', value)
        return {
            name_of(name, where): rule(inner, f'{where}.{name}')
            for name, inner in value.items()
        }

    return check


DESCRIPTION = Part(
    dict(
        format=_choice(FORMAT),
        license=_optional(_line(100)),
        classes=_optional(_several(_line(500), 1, 100_000)),
        model=_typed(RECOGNIZERS),
        test_pipeline=_several(_typed(STEPS), 1, 64),
        settings=_named(_named(_optional(_line(1000)), 100), 10),
    ),
    ('format', 'classes', 'model', 'test_pipeline'),
)


def check_description(content: Any, where: str) -> Dict[str, Any]:
    """Check the content of a config.json.

    Args:
        content: As json reads it.
        where (str): Path of the file, for messages.

    Returns:
        dict: The same as a config has it: tuples for lists.

    Raises:
        ValueError: It says something else than a description may; names the
            place, what was expected there and what came.
    """
    checked = _fill(DESCRIPTION)(content, where)
    model = checked['model']
    backbone, count = model['backbone'], model['cls_head']['num_classes']
    classes = checked['classes']
    if classes is not None and len(classes) != count:
        raise refusal(
            f'{where}.classes',
            f'{count} names, as model.cls_head.num_classes says',
            len(classes),
        )
    size = backbone['img_size']
    sides = size if isinstance(size, tuple) else (size, size)
    tokens = backbone['num_frames'] // backbone['tubelet_size']
    for side in sides:
        tokens *= side // backbone['patch_size']
    if not 1 <= tokens <= MOST_TOKENS:
        raise refusal(
            f'{where}.model.backbone',
            f'clips of 1 to {MOST_TOKENS} tokens',
            tokens,
        )
    for step in checked['test_pipeline']:
        frames = step.get('clip_len', 1) * step.get('num_clips', 1)
        if frames > MOST_FRAMES:
            raise refusal(
                f'{where}.test_pipeline',
                f'at most {MOST_FRAMES} frames of a video',
                frames,
            )
    return checked
