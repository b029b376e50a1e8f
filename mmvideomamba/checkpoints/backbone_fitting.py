"""Tensors of a checkpoint -> the parameters of a model, or one clear error."""

import re
from typing import Dict, List, NamedTuple, Tuple

from torch import Tensor

from ..checks import require_choice
from .checkpoint_family import FAMILIES, Weights
from .key_mapping import translate
from .position_fitting import fit_positions, take_positions

INFLATIONS = ('average', 'centre')
# How Vim and OpenGVLab walk their tokens, direction by direction.
PUBLISHED_ORDERS = ('SpatioTemporalForward', 'SpatioTemporalReversal')


class Row(NamedTuple):
    """One line of the report.

    `faithful` is False where the model will compute something else than the
    model of the checkpoint does.
    """

    status: str  # loaded, adapted, left out, not in it
    name: str
    before: str = ''
    after: str = ''
    how: str = ''
    faithful: bool = True


def fit_backbone(
    weights: Weights, model, inflate: str = 'average'
) -> Tuple[Dict[str, Tensor], List[Row]]:
    """Make the parameters of a backbone from a checkpoint's.

    Nothing is loaded yet; what cannot be fitted raises.

    Args:
        weights (Weights): The checkpoint.
        model (VideoMamba): Gives shapes and settings.
        inflate (str): How an image's patch embedding becomes a video's:
            'average' repeats it along time and divides by the tubelet's
            frames (the paper, section 4.1), 'centre' puts it on the middle
            frame and zeros on the others.

    Returns:
        tuple: Values for the model's state dict (what the checkpoint lacks
        and the model may keep is missing), and the report.

    Raises:
        ValueError: Another size of model, unknown or missing tensors, more
            or fewer directions.
    """
    require_choice('inflate', inflate, INFLATIONS)
    tensors = translate(weights)
    expected = model.state_dict()
    _require_size(weights, tensors, expected)
    rows: List[Row] = []
    tensors = _fit_positions(weights, tensors, model, expected, rows)
    _fit_class_token(weights, tensors, model, rows)
    _fit_tokenizer(tensors, expected, inflate, rows)
    _fit_merge(weights, tensors, model, rows)
    _note_scan_orders(weights, model, rows)
    _require_fit(weights, tensors, expected, rows)

    described = {row.name for row in rows}
    loaded = [
        name
        for name in tensors
        if name not in described and name.split('.')[0] not in described
    ]
    return tensors, [Row('loaded', name) for name in loaded] + rows


def head_left_out(weights: Weights) -> List[Row]:
    """The rows of a head that is not loaded."""
    return [
        Row('left out', f'head: {name}', _shape(tensor))
        for name, tensor in weights.head.items()
    ]


def make_report(weights: Weights, rows: List[Row]) -> str:
    """One table of what is loaded, adapted and left out."""
    loaded = sum(row.status == 'loaded' for row in rows)
    lines = [
        f'{weights.title}, recognised {weights.evidence}',
        f'  loaded   {loaded} tensors as they are',
    ]
    for row in _by_layers(rows):
        if row.status == 'loaded':
            continue
        shapes = ' -> '.join(filter(None, (row.before, row.after)))
        parts = filter(None, (row.name, shapes, row.how))
        lines.append(f'  {row.status:8} ' + ' | '.join(parts))
    return '\n'.join(lines)


def _by_layers(rows: List[Row]) -> List[Row]:
    """Rows that differ in the layer's number only become one."""
    merged = {}
    for row in rows:
        name = re.sub(r'^layers\.\d+\.', 'layers.*.', row.name)
        merged.setdefault(row._replace(name=name), None)
    return list(merged)


def _fit_positions(
    weights: Weights,
    tensors: dict,
    model,
    expected: dict,
    rows: List[Row],
) -> dict:
    try:
        source = take_positions(tensors, model.grid, 'cls_token' in tensors)
    except ValueError as error:
        raise ValueError(
            f'{weights.title} does not fit the model: {error}.'
        ) from error
    wanted = [name for name in expected if name.startswith('pos_embed.')]
    if source is None:
        for name in wanted:
            rows.append(
                Row(
                    'not in it',
                    name,
                    how='keeps its initialisation',
                    faithful=False,
                )
            )
        return tensors
    fitted, how, faithful = fit_positions(source, model, expected)
    status = 'adapted' if fitted else 'left out'
    if FAMILIES[weights.family].cls_token_position == 'middle' and fitted:
        how = f"class token's row from the middle to the front; {how}"
    if how:
        after = 'x'.join(map(str, model.grid)) if fitted else ''
        rows.append(
            Row(status, 'pos_embed', source.summary, after, how, faithful)
        )
    return {**tensors, **fitted}


def _fit_class_token(
    weights: Weights, tensors: dict, model, rows: List[Row]
) -> None:
    place = FAMILIES[weights.family].cls_token_position
    if model.cls_token_position is None:
        if tensors.pop('cls_token', None) is not None:
            rows.append(
                Row(
                    'left out',
                    'cls_token',
                    how='the model has none',
                    faithful=False,
                )
            )
    elif 'cls_token' not in tensors:
        rows.append(
            Row(
                'not in it',
                'cls_token',
                how='keeps its initialisation',
                faithful=False,
            )
        )
    elif place not in (None, model.cls_token_position):
        rows.append(
            Row(
                'adapted',
                'cls_token',
                place,
                model.cls_token_position,
                "another place in the scan, as the model's "
                'cls_token_position says',
                faithful=False,
            )
        )


def _fit_tokenizer(
    tensors: dict, expected: dict, inflate: str, rows: List[Row]
) -> None:
    name = 'tokenizer.proj.weight'
    weight = tensors.get(name)
    if weight is None or weight.ndim not in (4, 5):
        return
    before = _shape(weight)
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
        rows.append(
            Row('adapted', name, before, _shape(weight), how, faithful=False)
        )
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
    weights: Weights, tensors: dict, model, rows: List[Row]
) -> None:
    """Scale out_proj where authors and model merge directions otherwise."""
    merge = FAMILIES[weights.family].merge
    directions = len(model.scan_orders)
    if merge in (None, model.layers[0].mixer.merge):
        return
    scale, how = directions, f'times {directions}: the model means, they sum'
    if merge == 'mean':
        scale, how = 1 / directions, f'over {directions}: they take the mean'
    for name in tensors:
        if name.endswith('out_proj.weight'):
            tensors[name] = tensors[name] * scale
            rows.append(Row('adapted', name, how=how))


def _note_scan_orders(weights: Weights, model, rows: List[Row]) -> None:
    if weights.family == 'videomamba':
        return  # as the config says, which came with the checkpoint
    ours = tuple(type(order).__name__ for order in model.scan_orders)
    if ours != PUBLISHED_ORDERS:
        rows.append(
            Row(
                'adapted',
                'scan_orders',
                ', '.join(PUBLISHED_ORDERS),
                ', '.join(ours),
                'other walks with their weights',
                faithful=False,
            )
        )


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
    kept = {row.name for row in rows if row.status == 'not in it'}
    unused = {row.name for row in rows if row.status == 'left out'}
    problems = [
        f'{name} is {_shape(tensor)}, the model needs {_shape(expected[name])}'
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    problems += [
        f'{name} has no place in the model'
        for name in tensors
        if name not in expected
    ]
    problems += [
        f'{name} is missing'
        for name in expected
        if name not in tensors
        and name not in kept
        and not (name.startswith('pos_embed.') and 'pos_embed' in unused)
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


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
