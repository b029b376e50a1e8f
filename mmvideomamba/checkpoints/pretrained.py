"""`init_cfg=dict(type='Pretrained')`: start a model from another one.

What differs between checkpoint and model is adapted, and the log says how.
"""

import contextlib
from typing import Callable, Dict, Iterator, Optional

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule, PretrainedInit
from torch import Tensor, nn

from .backbone import Backbone
from .backbone_fitting import fit_backbone
from .checkpoint_family import identify
from .reading import read_checkpoint
from .report import make_report, shapes_of, unexpected_head


def load_backbone(
    model: Backbone,
    checkpoint: str,
    family: Optional[str] = None,
    inflate: str = 'average',
) -> None:
    """Load a checkpoint into a backbone, all of it or nothing.

    Args:
        model (VideoMamba): What the checkpoint is adapted to and loaded into.
        checkpoint (str): A path or URL, see `read_checkpoint`.
        family (str, optional): Whose model it is, see `identify`.
        inflate (str): See `fit_backbone`.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: As these functions
            do.
    """
    weights = identify(read_checkpoint(checkpoint), checkpoint, family)
    tensors, rows = fit_backbone(weights, model, inflate)
    _copy(tensors, model.state_dict())
    rows += unexpected_head(weights)
    print_log(make_report(weights, rows), logger='current')


def load_head(
    head: nn.Module,
    checkpoint: str,
    family: Optional[str] = None,
    inflate: str = 'average',
) -> None:
    """Load a checkpoint into a head if it has as many classes.

    Otherwise the head keeps its initialisation. `family` and `inflate` are
    taken so that one `init_cfg` serves both backbone and head.
    """
    weights = identify(read_checkpoint(checkpoint), checkpoint, family)
    theirs, ours = shapes_of(weights.head), shapes_of(head.state_dict())
    if theirs == ours:
        _copy(weights.head, head.state_dict())
        message = f'head loaded from {weights.title}'
    else:
        message = (
            f'head of {weights.title} not loaded: the checkpoint has '
            f'{theirs or "none"}, the model {ours}'
        )
    print_log(message, logger='current')


@contextlib.contextmanager
def intercept_pretrained(module: BaseModule, load: Callable) -> Iterator[None]:
    """Load `type='Pretrained'` of a module's init_cfg by `load` instead.

    Goes around `BaseModule.init_weights`, which sees the other entries of
    init_cfg only. Afterwards `load(module, checkpoint=..., ...)` is called.

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


def _is_pretrained(cfg: dict) -> bool:
    return cfg['type'] in ('Pretrained', PretrainedInit)


def _copy(tensors: Dict[str, Tensor], targets: Dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in tensors.items():
            targets[name].copy_(tensor)
