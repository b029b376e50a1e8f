"""What is asked of the model that a checkpoint is loaded into."""

from typing import Dict, Optional, Protocol

from torch import Tensor, nn

from ..positions import Grid


class Backbone(Protocol):
    """A `VideoMamba`, by what is used of it: `models` imports this package."""

    grid: Grid
    scan_orders: list
    merge: str
    cls_token_position: Optional[str]
    pos_embed: Optional[nn.Module]
    pos_embed_init: str
    norm: nn.Module
    out_type: str
    settings: Dict[str, Optional[str]]

    def state_dict(self) -> Dict[str, Tensor]: ...


class Head(Protocol):
    """A `VideoMambaHead`, likewise."""

    settings: Dict[str, Optional[str]]

    def state_dict(self) -> Dict[str, Tensor]: ...
