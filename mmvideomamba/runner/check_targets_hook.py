"""Training targets that loss and head cannot take, found before training."""

from typing import Any

from mmaction.models.losses import (
    BCELossWithLogits,
    CBFocalLoss,
    CrossEntropyLoss,
    NLLLoss,
)
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ..registry import HOOKS

# These count with class numbers.
HARD_LABEL_LOSSES = (CBFocalLoss, NLLLoss)
WEIGHTED_LOSSES = (BCELossWithLogits, CrossEntropyLoss)


@HOOKS.register_module()
class CheckTargetsHook(Hook):
    """Compare head, loss, label smoothing and blending with each other.

    Raises:
        ValueError: The loss takes class numbers where smoothing or blending
            makes fractions, or fractions where there are class numbers; one
            of them has another number of classes than the head; or targets
            are smoothed beyond 0 and 1.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the model that is going to be trained."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        # A detector's head is another.
        head: Any = getattr(model, 'cls_head', None)
        loss = getattr(head, 'loss_cls', None)
        if loss is None or not hasattr(head, 'label_smooth_eps'):
            return
        preprocessor = getattr(model, 'data_preprocessor', None)
        blending = getattr(preprocessor, 'blending', None)
        if not 0 <= head.label_smooth_eps < 1:
            raise ValueError(
                'expected model.cls_head.label_smooth_eps from 0 to below 1, '
                f'got {head.label_smooth_eps}'
            )
        _check_loss(head, loss, blending)
        # Several labels need no number of classes to be blended.
        if not head.multi_class:
            for part in getattr(blending, 'augments', [blending]):
                # RandomBatchAugment has None for doing nothing.
                if part is not None:
                    _check_count(
                        'model.data_preprocessor.blending.num_classes '
                        f'of {type(part).__name__}',
                        part.num_classes,
                        head,
                    )


def _check_loss(head: Any, loss: Any, blending: Any) -> None:
    name = type(loss).__name__
    if isinstance(loss, HARD_LABEL_LOSSES):
        if head.label_smooth_eps:
            raise ValueError(
                f'{name} takes class numbers, and label smoothing makes '
                'fractions of them: set model.cls_head.label_smooth_eps=0 '
                f'(it is {head.label_smooth_eps}, perhaps inherited from a '
                '_base_)'
            )
        if blending is not None:
            raise ValueError(
                f'{name} takes class numbers, and '
                f'{type(blending).__name__} makes fractions of them: set '
                'model.data_preprocessor.blending=None'
            )
    fractions = head.multi_class or head.label_smooth_eps or blending
    if isinstance(loss, BCELossWithLogits) and not fractions:
        raise ValueError(
            f'{name} takes a target for each class, and a video has one class '
            'number: set model.cls_head.multi_class=True if videos have '
            'several labels, or use CrossEntropyLoss'
        )
    if isinstance(loss, CBFocalLoss):
        setting = 'model.cls_head.loss_cls.samples_per_cls'
        _check_count(f'length of {setting}', loss.num_classes, head)
    weight = getattr(loss, 'class_weight', None)
    if isinstance(loss, WEIGHTED_LOSSES) and weight is not None:
        setting = 'model.cls_head.loss_cls.class_weight'
        _check_count(f'length of {setting}', len(weight), head)


def _check_count(name: str, count: int, head: Any) -> None:
    if count != head.num_classes:
        raise ValueError(
            f'{name}: expected {head.num_classes}, as '
            f'model.cls_head.num_classes is, got {count}'
        )
