"""Tensors of a checkpoint -> the parameters of a backbone, or one error."""

from typing import Dict, Iterator, List, Tuple

from torch import Tensor

from ..checks import require_choice
from .backbone import Backbone
from .checkpoint_family import Weights
from .key_mapping import LEFT_OUT, map_keys
from .position_fitting import fit_positions, take_positions
from .report import Row, shape_of
from .settings import differ_in
from .tensor_checks import why_not_in

INFLATIONS = ('average', 'centre')
# What it means that a setting of checkpoint and model differs; `merge` and
# `cls_token_position` have a function of their own.
OTHER_SETTINGS = {
    'scan_orders': 'other scan orders with the same weights',
    'order': 'scan orders of the same names that visit the tokens otherwise',
    'pos_embed': 'other positions, none of which have weights',
    'norm_cfg': 'another norm with the same weights',
    'out_type': 'other features; to look at features, set out_type of the '
    'model after loading',
}


def fit_backbone(
    weights: Weights, model: Backbone, inflate: str = 'average'
) -> Tuple[Dict[str, Tensor], List[Row]]:
    """Make the parameters of a backbone from a checkpoint's.

    Nothing is loaded yet; what cannot be fitted raises.

    Args:
        weights (Weights): The checkpoint.
        model (VideoMamba): Gives shapes and settings.
        inflate (str): How the patch embedding of an image model becomes that
            of a video model: 'average' repeats it along time and divides by
            the frames of a tubelet (the paper, section 4.1), 'centre' puts
            it on the middle frame, with zeros on the others.

    Returns:
        tuple: Values for the model's state dict, without the keys that are
        missing and that the model may keep as initialised; and the rows of
        the report.

    Raises:
        ValueError: Another size of model, unexpected or missing keys,
            another number of directions.
    """
    require_choice('inflate', inflate, INFLATIONS)
    tensors = map_keys(weights)
    expected = model.state_dict()
    _require_size(weights, tensors, expected)
    rows = [
        *_fit_positions(weights, tensors, model, expected),
        *_fit_class_token(weights, tensors, model),
        *_fit_tokenizer(tensors, expected, inflate),
        *_fit_merge(weights, tensors, model),
        *_compare_settings(weights, model),
        *_leave_out(weights),
    ]
    _require_fit(weights, tensors, expected, rows)
    described = {row.name for row in rows}
    loaded = [
        Row('loaded', name)
        for name in tensors
        if described.isdisjoint((name, name.split('.')[0]))
    ]
    return tensors, loaded + rows


# Each of the following changes `tensors` and yields the rows it explains.


def _fit_positions(
    weights: Weights, tensors: dict, model: Backbone, expected: dict
) -> Iterator[Row]:
    try:
        source = take_positions(tensors, model.grid, 'cls_token' in tensors)
    except ValueError as error:
        raise ValueError(
            f'{weights.title} does not fit the model: {error}.'
        ) from error
    if source is None:
        for name in expected:
            if name.startswith('pos_embed.'):
                yield _missing(name)
        return
    fitted, how, faithful = fit_positions(source, model, expected)
    tensors.update(fitted)
    if not fitted:
        yield Row('unexpected', 'pos_embed', source.summary, '', how, faithful)
        return
    if weights.conventions.cls_token_position == 'middle':
        how = f"class token's row from the middle to the front; {how}"
    if how:
        after = 'x'.join(map(str, model.grid))
        yield Row('adapted', 'pos_embed', source.summary, after, how, faithful)


def _fit_class_token(
    weights: Weights, tensors: dict, model: Backbone
) -> Iterator[Row]:
    theirs = weights.settings.get('cls_token_position')
    ours = model.cls_token_position
    if ours is None:
        if tensors.pop('cls_token', None) is not None:
            how = 'the model has none'
            yield Row('unexpected', 'cls_token', how=how, faithful=False)
    elif 'cls_token' not in tensors:
        yield _missing('cls_token')
    elif theirs not in (None, ours):
        how = "another position in the scan, the model's cls_token_position"
        yield Row('adapted', 'cls_token', theirs, ours, how, faithful=False)


def _fit_tokenizer(
    tensors: dict, expected: dict, inflate: str
) -> Iterator[Row]:
    name = 'tokenizer.proj.weight'
    weight = tensors.get(name)
    if weight is None or weight.ndim not in (4, 5):
        return
    before = shape_of(weight)
    if weight.ndim == 4:
        weight = weight.unsqueeze(2)
    old, new = weight.shape[2], expected[name].shape[2]
    if old != new:
        if old == 1 and inflate == 'centre':
            how = f'on frame {new // 2} of {new}, zeros elsewhere'
            flat = weight
            weight = flat.new_zeros(*flat.shape[:2], new, *flat.shape[3:])
            weight[:, :, new // 2] = flat[:, :, 0]
        else:
            how = f'repeated {new} times, averaged'
            if old > 1:
                how = f'tubelet of {old} frames -> {new}, same sum'
            weight = _resize_in_time(weight, new)
        yield Row('adapted', name, before, shape_of(weight), how, False)
    tensors[name] = weight


def _resize_in_time(weight: Tensor, frames: int) -> Tensor:
    """(O, I, T, H, W) -> (O, I, frames, H, W) with the sum over time kept.

    A clip that does not move gives the same tokens. From one frame this is
    the paper's inflation: repeat and divide.
    """
    old = weight.shape[2]
    fine = weight.repeat_interleave(frames, dim=2)
    return fine.unflatten(2, (frames, old)).sum(dim=3) / frames


def _fit_merge(
    weights: Weights, tensors: dict, model: Backbone
) -> Iterator[Row]:
    """Scale out_proj where checkpoint and model merge directions otherwise."""
    theirs = weights.settings.get('merge')
    directions = len(model.scan_orders)
    if theirs in (None, model.merge) or directions == 1:
        return
    require_choice(f'merge of {weights.title}', theirs, ('sum', 'mean'))
    if theirs == 'mean':
        scale, how = 1 / directions, f'divided by {directions}: mean -> sum'
    else:
        scale, how = directions, f'multiplied by {directions}: sum -> mean'
    how += ' of the directions'
    own = weights.family == 'videomamba'
    if own:
        how += ", the model's merge"
    for name in tensors:
        if name.endswith('out_proj.weight'):
            tensors[name] = tensors[name] * scale
            # A run of ours that resumes has moments of the unscaled weights.
            yield Row('adapted', name, how=how, faithful=not own)


def _compare_settings(weights: Weights, model: Backbone) -> Iterator[Row]:
    theirs, ours = weights.settings, model.settings
    for name, how in OTHER_SETTINGS.items():
        if differ_in(name, theirs, ours):
            before, after = str(theirs[name]), str(ours[name])
            yield Row('adapted', name, before, after, how, faithful=False)


def _leave_out(weights: Weights) -> Iterator[Row]:
    for prefix, (how, faithful) in LEFT_OUT.items():
        if any(name.startswith(prefix) for name in weights.backbone):
            yield Row('unexpected', f'{prefix}*', how=how, faithful=faithful)


def _missing(name: str) -> Row:
    how = 'keeps its initialisation'
    return Row('missing', name, how=how, faithful=False)


def _require_size(weights: Weights, tensors: dict, expected: dict) -> None:
    theirs, ours = _size(tensors), _size(expected)
    if theirs != ours:
        raise ValueError(
            f'{weights.title} does not fit the model: its backbone has '
            f'{theirs[0]} channels x {theirs[1]} blocks, the model '
            f'{ours[0]} x {ours[1]}. Set arch to the size of the checkpoint '
            "(192x24 'tiny', 384x24 'small', 576x32 'middle', 768x24 "
            "'base'), or take the file of the model's size."
        )


def _size(tensors: Dict[str, Tensor]) -> Tuple[int, int]:
    """Channels and blocks."""
    layers = {
        int(name.split('.')[1])
        for name in tensors
        if name.startswith('layers.')
    }
    norm = tensors.get('norm.weight')
    return (0 if norm is None else len(norm)), 1 + max(layers, default=-1)


def _require_fit(
    weights: Weights, tensors: dict, expected: dict, rows: List[Row]
) -> None:
    explained = {
        row.name for row in rows if row.status in ('missing', 'unexpected')
    }
    problems = [
        f'{name} is {shape_of(tensor)}, the model needs '
        f'{shape_of(expected[name])}'
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    problems += [
        f'{name} is {problem}'
        for name, tensor in tensors.items()
        if name in expected
        for problem in [why_not_in(tensor, expected[name])]
        if problem is not None
    ]
    problems += [
        f'{name} is unexpected' for name in tensors if name not in expected
    ]
    problems += [
        f'{name} is missing'
        for name in expected
        if name not in tensors
        and explained.isdisjoint((name, name.split('.')[0]))
    ]
    if problems:
        more = len(problems) - 5
        raise ValueError(
            f'{weights.title} does not fit the model: '
            + '; '.join(problems[:5])
            + f'; and {more} more' * (more > 0)
            + '. Build the model with the settings of the checkpoint '
            '(patch_size, in_channels, number of scan_orders, d_state, '
            'd_conv, expand, norm_cfg), or take another file.'
        )
