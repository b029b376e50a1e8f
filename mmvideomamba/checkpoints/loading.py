"""The ways in which a checkpoint reaches a model.

`init_cfg=dict(type='Pretrained', checkpoint=...)` starts a model from another
one and adapts what differs. `load_from`, `--resume` and a CHECKPOINT on the
command line go on with the same model: there a difference of the weights is
an error, but for the token grid, to which positions are resized. Settings that
no weight shows, such as the scan orders, are taken from the config.
"""

import contextlib
from collections import OrderedDict
from typing import Any, Callable, Dict, Iterator, Optional

import torch
from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from torch import Tensor, nn

from .backbone_fitting import fit_backbone, head_left_out, make_report
from .checkpoint_family import below, find_state_dict, identify
from .reading import MapLocation, read_checkpoint


def load_backbone(
    model: nn.Module,
    checkpoint: str,
    family: Optional[str] = None,
    inflate: str = 'average',
) -> None:
    """Start `model` from a checkpoint; all of it is fitted, or nothing.

    Args:
        model (VideoMamba): Adapted to, loaded into.
        checkpoint (str): See `read_checkpoint`.
        family (str, optional): See `identify`.
        inflate (str): See `fit_backbone`.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: See there.
    """
    weights = identify(read_checkpoint(checkpoint), checkpoint, family)
    tensors, rows = fit_backbone(weights, model, inflate)
    _copy(tensors, model)
    rows += head_left_out(weights)
    print_log(make_report(weights, rows), logger='current')


def load_head(
    head: nn.Module,
    checkpoint: str,
    family: Optional[str] = None,
    inflate: str = 'average',
) -> None:
    """Start `head` from a checkpoint whose classes are as many; else keep it.

    `family` and `inflate` are accepted so that one `init_cfg` serves both
    backbone and head.
    """
    weights = identify(read_checkpoint(checkpoint), checkpoint, family)
    shapes = {k: tuple(v.shape) for k, v in weights.head.items()}
    wanted = {k: tuple(v.shape) for k, v in head.state_dict().items()}
    if shapes == wanted:
        _copy(weights.head, head)
        print_log(f'head loaded from {weights.title}', logger='current')
    else:
        print_log(
            f'head of {weights.title} left out: it has '
            f'{shapes or "none"}, the model {wanted}',
            logger='current',
        )


@contextlib.contextmanager
def own_pretrained(module: nn.Module, load: Callable) -> Iterator[None]:
    """Keep `type='Pretrained'` of a module's init_cfg from mmengine.

    Around `BaseModule.init_weights`; afterwards `load` is called with the
    rest of that init_cfg.

    Raises:
        ValueError: An unknown option.
    """
    original = module.init_cfg
    cfgs = [original] if isinstance(original, dict) else original or []
    others = [cfg for cfg in cfgs if not _is_pretrained(cfg)]
    if module.is_init or len(others) == len(cfgs):
        yield
        return
    module.init_cfg = others
    try:
        yield
    finally:
        module.init_cfg = original
    for cfg in filter(_is_pretrained, cfgs):
        options = {k: v for k, v in cfg.items() if k != 'type'}
        unknown = set(options) - {'checkpoint', 'family', 'inflate'}
        if unknown or 'checkpoint' not in options:
            raise ValueError(
                "init_cfg of type 'Pretrained' needs checkpoint and may set "
                f'family and inflate; got {sorted(options)}'
            )
        load(module, **options)


def fit_loaded_backbone(
    model: nn.Module, state_dict: dict, prefix: str, metadata: dict
) -> None:
    """Make a state dict that is being loaded into `model` fit, or raise.

    For `_load_from_state_dict`; mmengine's own loading would only warn and
    go on with what happens to fit.

    Args:
        model (VideoMamba): The model that it is loaded into.
        state_dict (dict): Its entries under `prefix` are replaced.
        prefix (str): Where the model's parameters are in it.
        metadata (dict): Tells the family and the location where
            `runner_format` knew them.

    Raises:
        ValueError: The model would not compute what that of the checkpoint
            does.
    """
    tensors = below(state_dict, prefix)
    if not tensors:
        raise ValueError(
            f'the checkpoint has nothing for the backbone ({prefix}*); its '
            'file is of another architecture, or of a part of a model only'
        )
    weights = identify(
        tensors,
        metadata.get('location', 'the checkpoint'),
        metadata.get('family'),
    )
    if 'evidence' in metadata:
        weights = weights._replace(evidence=metadata['evidence'])
    fitted, rows = fit_backbone(weights, model)
    changed = [row for row in rows if not row.faithful]
    if changed:
        raise ValueError(
            f'{weights.title} is of another model: '
            + '; '.join(
                f'{row.status} {row.name} ({row.how})' for row in changed
            )
            + '. To test or resume, use the config that it was trained with. '
            "To start this model from it, use init_cfg=dict(type='Pretrained'"
            ', checkpoint=...) in the backbone instead of load_from.'
        )
    if any(row.status == 'adapted' for row in rows):
        print_log(make_report(weights, rows), logger='current')
    for name in tensors:
        del state_dict[prefix + name]
    state_dict.update({prefix + k: v for k, v in fitted.items()})


def require_head_fits(head: nn.Module, state_dict: dict, prefix: str) -> None:
    """Raise unless the state dict that is being loaded has this head.

    Raises:
        ValueError: Names the shapes, and what to do.
    """
    found = {k: tuple(v.shape) for k, v in below(state_dict, prefix).items()}
    wanted = {k: tuple(v.shape) for k, v in head.state_dict().items()}
    if found != wanted:
        raise ValueError(
            f'the head of the checkpoint ({found or "none"}) does not fit '
            f'that of the model ({wanted}). To test or resume, set '
            'num_classes and in_channels as trained. To train on other '
            "classes, use init_cfg=dict(type='Pretrained', checkpoint=...) "
            'in the backbone instead of load_from: the head starts anew.'
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
    meta = content.get('meta') if isinstance(content, dict) else None
    if isinstance(meta, dict) and 'config' in meta:
        # `Runner.resume` would run it as Python. Today's runners write 'cfg'.
        raise ValueError(
            f"{filename} was refused: it has a 'config' in its meta, which "
            'mmengine runs as Python code when it resumes. Remove that entry '
            'if you trust the rest of the file.'
        )
    return runner_format(content, filename)


def runner_format(content: Any, location: str) -> Any:
    """Bring the families' checkpoints into the layout of a recognizer's.

    What is in it already, and other architectures, stay as they are.

    Returns:
        As `content`, or dict(state_dict=...) with `backbone.*` and
        `cls_head.*`, the backbone's tensors under their authors' names;
        family and location ride along as torch's state dict metadata.

    Raises:
        ValueError: An image model of which family cannot be told.
    """
    if not _is_bare_backbone(content, location):
        return content
    weights = identify(content, location)
    state = OrderedDict(
        {f'backbone.{k}': v for k, v in weights.backbone.items()}
    )
    state.update({f'cls_head.{k}': v for k, v in weights.head.items()})
    state._metadata = OrderedDict(
        backbone=dict(
            family=weights.family,
            evidence=weights.evidence,
            location=location,
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


def _is_pretrained(cfg: dict) -> bool:
    return cfg['type'] in ('Pretrained', PretrainedInit)


def _copy(tensors: Dict[str, Tensor], module: nn.Module) -> None:
    targets = module.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            targets[name].copy_(tensor)
