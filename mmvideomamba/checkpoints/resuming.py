"""`load_from`, `--resume` and tools/test.py: go on with the same model.

Where the weights of checkpoint and model differ, or the settings that the
checkpoint records, nothing is loaded and an error says why. Only positions
are resized, to the token grid of the model.
"""

from collections import OrderedDict
from typing import Any

from mmengine.logging import print_log

from .backbone import Backbone, Head
from .backbone_fitting import fit_backbone
from .checkpoint_family import below, find_state_dict, identify
from .reading import MapLocation, read_checkpoint
from .report import make_report, shapes_of
from .settings import check_settings


def fit_loaded_backbone(
    model: Backbone, state_dict: dict, prefix: str, metadata: dict
) -> None:
    """Make a state dict that is being loaded into `model` fit, or raise.

    For `_load_from_state_dict`. mmengine alone would only warn, and load the
    tensors that happen to fit.

    Args:
        model (VideoMamba): The backbone that it is loaded into.
        state_dict (dict): Its entries under `prefix` are replaced.
        prefix (str): Of the keys of this backbone, such as 'backbone.'.
        metadata (dict): Holds the settings that the checkpoint records, and
            the family and the location if `runner_format` found them.

    Raises:
        ValueError: The model would not compute what the model of the
            checkpoint does.
    """
    tensors = below(state_dict, prefix)
    if not tensors:
        raise ValueError(
            f'the checkpoint has nothing for the backbone ({prefix}*): it is '
            'of another architecture, or of a part of a model only'
        )
    location = metadata.get('location', 'the checkpoint')
    weights = identify(tensors, location, metadata.get('family'))
    weights = weights._replace(
        recorded=check_settings(metadata.get('settings'), location)
    )
    if 'evidence' in metadata:
        weights = weights._replace(evidence=metadata['evidence'])
    fitted, rows = fit_backbone(weights, model)
    changed = [
        f'{row.status} {row.where} ('
        + ': '.join(filter(None, (row.how, row.values)))
        + ')'
        for row in rows
        if not row.faithful
    ]
    if changed:
        raise ValueError(
            f'{weights.title} is of another model: '
            + '; '.join(dict.fromkeys(changed))  # those of all blocks once
            + '. To test or resume, use the config that it was trained with. '
            "To start this model from it, use init_cfg=dict(type='Pretrained'"
            ', checkpoint=...) in the backbone instead of load_from.'
        )
    if any(row.status == 'adapted' for row in rows):
        print_log(make_report(weights, rows), logger='current')
    for name in tensors:
        del state_dict[prefix + name]
    state_dict.update({prefix + k: v for k, v in fitted.items()})


def require_head_fits(
    head: Head, state_dict: dict, prefix: str, metadata: dict
) -> None:
    """Require that a state dict that is being loaded has this head.

    Args:
        head (VideoMambaHead): What it is loaded into.
        state_dict (dict): Has the head's tensors under `prefix`.
        prefix (str): Such as 'cls_head.'.
        metadata (dict): Holds the settings that the checkpoint records.

    Raises:
        ValueError: Keys, shapes or recorded settings differ.
    """
    theirs = shapes_of(below(state_dict, prefix))
    ours = shapes_of(head.state_dict())
    if theirs != ours:
        raise ValueError(
            f'the head of the checkpoint ({theirs or "none"}) does not fit '
            f'that of the model ({ours}). To test or resume, set '
            'num_classes and in_channels as trained. To train on other '
            "classes, use init_cfg=dict(type='Pretrained', checkpoint=...) "
            'in the backbone instead of load_from: the head starts anew.'
        )
    recorded = check_settings(metadata.get('settings'), 'the checkpoint')
    for name, value in head.settings.items():
        if recorded.get(name, value) != value:
            raise ValueError(
                f'the checkpoint was trained with {name}={recorded[name]}, '
                f'and model.cls_head.{name}={value} would give other scores. '
                'Use the config that it was trained with; to start another '
                "model from it, init_cfg=dict(type='Pretrained', "
                'checkpoint=...) in the backbone'
            )


def load_from_checked_file(
    filename: str, map_location: MapLocation = None
) -> Any:
    """Read a checkpoint for mmengine, of any model.

    mmengine's log says 'Loads checkpoint by checked_file backend': the name
    of this function from its eleventh letter on.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: See
            `read_checkpoint`.
    """
    content = read_checkpoint(filename, map_location)
    state = content
    if isinstance(content, dict):
        state = content.get('state_dict', content)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) for name in state
    ):
        raise ValueError(
            f'{filename}: expected a dict of names and tensors, bare or as '
            f"'state_dict', got {_describe(state)}. Take another file"
        )
    meta = content.get('meta')
    if isinstance(meta, dict) and 'config' in meta:
        # `Runner.resume` would run it as Python. Today's runners write 'cfg'.
        raise ValueError(
            f"{filename} was refused: it has a 'config' in its meta, which "
            'mmengine runs as Python code when it resumes. Remove that entry '
            'if you trust the rest of the file.'
        )
    return runner_format(content, filename)


def _describe(state: Any) -> str:
    if not isinstance(state, dict):
        return f'a {type(state).__name__}'
    names = [name for name in state if not isinstance(name, str)]
    return f'a dict with the names {str(names[:3])[:80]}'


def runner_format(content: Any, location: str) -> Any:
    """Give a checkpoint of a bare model the keys of a recognizer's.

    A recognizer's checkpoint, and one of another architecture, stays as it
    is.

    Returns:
        As `content`, or dict(state_dict=...) with `backbone.*` and
        `cls_head.*`, the backbone's tensors under their authors' names.
        torch's state dict metadata holds the family and the location.

    Raises:
        ValueError: An image model whose family cannot be told.
    """
    if not _is_bare_backbone(content, location):
        return content
    weights = identify(content, location)
    state = OrderedDict(weights.under_recognizer_keys())
    state._metadata = OrderedDict(  # type: ignore[attr-defined]  # torch's
        backbone=dict(
            family=weights.family,
            evidence=weights.evidence,
            location=location,
            settings=weights.recorded,
        )
    )
    return dict(state_dict=state)


def _is_bare_backbone(content: Any, location: str) -> bool:
    try:
        state = find_state_dict(content, location)
    except ValueError:
        return False
    return (
        'layers.0.mixer.conv_weight' in state
        or 'layers.0.mixer.A_b_log' in state
    )
