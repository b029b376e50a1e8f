"""Classification head for every `out_type` of VideoMamba."""

from typing import Any, Optional, Sequence, Union

from mmaction.models.heads import BaseHead
from torch import Tensor, nn

from ..checkpoints import (
    Settings,
    intercept_pretrained,
    load_head,
    record_settings,
    require_head_fits,
)
from ..checks import require_choice
from ..registry import MODELS
from .draws import SampleDropout

# How mmaction2 can average the scores of a video's clips.
AVERAGES = ('prob', 'score', None)


@MODELS.register_module()
class VideoMambaHead(BaseHead):
    """Dropout and one linear layer (the paper, section 4).

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the features, the backbone's
            `embed_dims`.
        loss_cls (dict, optional): Config of the loss. None: CrossEntropyLoss,
            or BCELossWithLogits where `multi_class` is set.
        dropout_ratio (float): Dropout before the linear layer.
        init_std (float): Standard deviation of the linear layer's weights.
        multi_class (bool): Whether a clip may have several labels, or none.
            Their probabilities are independent: sigmoid, not softmax.
        label_smooth_eps (float): Label smoothing.
        topk (int | Sequence[int]): Accuracies reported in training, where
            clips have one label.
        average_clips (str, optional): How the scores of a video's clips and
            crops are averaged: 'prob' (mean of their probabilities), 'score'
            (mean of their logits, which are no probabilities), or None (not
            at all, which no metric of mmaction2 can read).
        init_cfg (dict | list[dict], optional): As in mmengine.
            `type='Pretrained'` loads the head of a checkpoint that has as
            many classes, and keeps the initialisation otherwise.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss_cls: Optional[dict] = None,
        dropout_ratio: float = 0.0,
        init_std: float = 0.02,
        multi_class: bool = False,
        label_smooth_eps: float = 0.0,
        topk: Union[int, Sequence[int]] = (1, 5),
        average_clips: Optional[str] = 'prob',
        init_cfg: Optional[dict] = None,
    ) -> None:
        require_choice('average_clips', average_clips, AVERAGES)
        if loss_cls is None:
            kind = 'BCELossWithLogits' if multi_class else 'CrossEntropyLoss'
            loss_cls = dict(type=kind)
        super().__init__(
            num_classes,
            in_channels,
            loss_cls=loss_cls,
            multi_class=multi_class,
            label_smooth_eps=label_smooth_eps,
            topk=topk if isinstance(topk, int) else tuple(topk),
            average_clips=average_clips,
            init_cfg=init_cfg,
        )
        self.dropout = SampleDropout(dropout_ratio, 'head')
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.trunc_normal_(self.fc_cls.weight, std=init_std)
        nn.init.zeros_(self.fc_cls.bias)
        # What no weight shows, for the checkpoints.
        self.settings: Settings = dict(multi_class=str(multi_class))

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        """Compute the classification scores.

        Args:
            x (Tensor): (N, C), (N, L, C) or (N, C, T, H, W), any `out_type`
                of VideoMamba; tokens are averaged.

        Returns:
            Tensor: (N, num_classes) float32, so that mmaction2 can hand it
            to numpy under bfloat16 autocast.
        """
        if x.ndim == 3:
            x = x.mean(dim=1)
        elif x.ndim == 5:
            x = x.mean(dim=(2, 3, 4))
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'expected features with in_channels = {self.in_channels} as '
                '(N, C), (N, L, C) or (N, C, T, H, W), got features reduced '
                f'to {tuple(x.shape)}'
            )
        return self.fc_cls(self.dropout(x)).float()

    def init_weights(self) -> None:
        """Initialise as `init_cfg` says; it may name a public checkpoint."""
        with intercept_pretrained(self, load_head):
            super().init_weights()

    def _save_to_state_dict(
        self, destination: dict, prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        record_settings(destination, prefix, self.settings)

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, metadata: dict, *args: Any
    ) -> None:
        require_head_fits(self, state_dict, prefix, metadata)
        super()._load_from_state_dict(state_dict, prefix, metadata, *args)
