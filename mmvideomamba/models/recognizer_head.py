"""Questions to the head of a recognizer, ours or one of mmaction2."""

from typing import Optional

from mmaction.models.heads import BaseHead
from mmengine.model import is_model_wrapper
from torch import nn


def find_head(model: nn.Module) -> Optional[BaseHead]:
    """The classification head of a recognizer, which may be wrapped.

    Returns:
        BaseHead | None: None for other models; a detector's head, say, is
        another.
    """
    inner = model.module if is_model_wrapper(model) else model
    head = getattr(inner, 'cls_head', None)
    return head if isinstance(head, BaseHead) else None


def predicts_probabilities(model: nn.Module) -> bool:
    """Whether the scores of a model lie in [0, 1]: not if it says otherwise.

    With `average_clips='score'` a head averages logits.
    """
    return getattr(find_head(model), 'average_clips', 'prob') == 'prob'
