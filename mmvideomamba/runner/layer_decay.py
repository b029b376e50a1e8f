"""Smaller learning rates for earlier layers, as in BEiT and VideoMAE."""

from typing import Any, List, Optional

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..models import VideoMamba
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiply the learning rate by `layer_decay` for each layer below.

    The head and the last norm have the optimizer's rate, block i of L has it
    times layer_decay ** (L - i), i counted from 0, and tokenizer, positions
    and class token have it times layer_decay ** (L + 1): Bao et al., BEiT,
    appendix; OpenGVLab's VideoMamba fine-tunes so.

    Everything else in `paramwise_cfg` means what it means in mmengine's
    constructor; `custom_keys` with `lr_mult` multiply as well.

        optim_wrapper = dict(
            constructor='LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay=0.75),
        )

    A schedule's `eta_min` is the same for all layers; `eta_min_ratio` keeps
    their proportion.

    Args:
        optim_wrapper_cfg (dict): Config of the optimizer wrapper.
        paramwise_cfg (dict): With `layer_decay`, above 0 and at most 1.

    Raises:
        ValueError: No such `layer_decay`, no learning rate, or, when called,
            a model without VideoMamba.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: Optional[dict] = None
    ) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        self.layer_decay = self.paramwise_cfg.get('layer_decay')
        if (
            not isinstance(self.layer_decay, (int, float))
            or not 0 < self.layer_decay <= 1
        ):
            raise ValueError(
                'expected paramwise_cfg.layer_decay above 0 and at most 1, '
                f'got {self.layer_decay}'
            )
        if self.base_lr is None:
            raise ValueError('layer_decay needs optim_wrapper.optimizer.lr')

    def add_params(
        self,
        params: List[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: Any = None,
    ) -> None:
        """Append a group for each parameter of `module`, with its rate."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:  # mmengine calls this for every part; the model is last
            return
        depths = _depths(module)
        for group in params:
            (parameter,) = group['params']
            rate = group.get('lr', self.base_lr)
            group['lr'] = rate * self.layer_decay ** depths[parameter]
        rates = [group['lr'] for group in params]
        print_log(
            f'Layer decay {self.layer_decay}: learning rates from '
            f'{min(rates):.4g} to {max(rates):.4g}',
            'current',
        )


def _depths(model: nn.Module) -> dict:
    """How many layers are above each parameter of a model."""
    backbones = [m for m in model.modules() if isinstance(m, VideoMamba)]
    if len(backbones) != 1:
        raise ValueError(
            'LayerDecayOptimWrapperConstructor expects a model with one '
            f'VideoMamba, got {len(backbones)} in {type(model).__name__}; for '
            'ViT and MViT, mmaction2 has LearningRateDecayOptimizerConstructor'
        )
    (backbone,) = backbones
    layers = len(backbone.layers)
    depths = dict.fromkeys(model.parameters(), 0)
    for name, parameter in backbone.named_parameters():
        part, _, rest = name.partition('.')
        if part == 'layers':
            depths[parameter] = layers - int(rest.partition('.')[0])
        elif part != 'norm':
            depths[parameter] = layers + 1
    return depths
