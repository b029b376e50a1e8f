"""What a model computes that its weights do not show.

`VideoMamba.settings` is recorded in the metadata of its state dict, where
torch keeps the versions of modules: whatever saves a state dict, the runner
and its EMA included, saves the record with it, without a tensor more.
`writing` and `reading` take it through the header of .safetensors.
"""

import hashlib
from collections import OrderedDict
from typing import Any, Dict, Mapping, Optional

from torch import Tensor

from .backbone import Backbone

# One line of text for each setting.
Settings = Dict[str, Optional[str]]

# The value of `pos_embed` where its tensors tell the rest.
LEARNED = 'learned'


def settings_of(model: Backbone) -> Settings:
    """Describe the settings of a backbone that no weight of it shows.

    What only matters in training, such as `drop_path_rate`, is not there.

    Returns:
        dict: `merge`, `cls_token_position`, `scan_orders` and `out_type` as
        in the config; `norm_cfg`; `pos_embed`, with its token grid if it is
        fixed; `order`, a token grid and a digest of the scan orders over it,
        for orders that share a name.
    """
    grid = 'x'.join(map(str, model.grid))
    pos_embed: Optional[str] = None
    if model.pos_embed is not None:
        has_weights = any(True for _ in model.pos_embed.parameters())
        pos_embed = LEARNED if has_weights else f'sinusoid of {grid} tokens'
    out_type = model.out_type
    if out_type == 'cls_token' and model.cls_token_position is None:
        out_type = 'avg_featmap'  # the same without a class token
    digest = hashlib.sha256()
    for order in model.scan_orders:
        digest.update(order.permutation(model.grid).cpu().numpy().tobytes())
        digest.update(bytes([order.reverse]))
    eps = getattr(model.norm, 'eps', None)
    return dict(
        merge=model.merge,
        cls_token_position=model.cls_token_position,
        scan_orders=', '.join(map(_describe, model.scan_orders)),
        pos_embed=pos_embed,
        norm_cfg=f'{type(model.norm).__name__}, eps={eps}',
        out_type=out_type,
        order=f'{grid}: {digest.hexdigest()[:16]}',
    )


def differ_in(name: str, theirs: Settings, ours: Settings) -> bool:
    """Whether two models differ in a setting, as far as the record tells."""
    if name not in theirs or theirs[name] == ours[name]:
        return False
    if name == 'pos_embed':  # or else it is the tensors that differ
        return LEARNED not in (theirs[name], ours[name])
    if name == 'order':  # over the same grid, by orders of the same names
        grids = {
            str(settings[name]).split(':')[0] for settings in (theirs, ours)
        }
        return len(grids) == 1 and not differ_in('scan_orders', theirs, ours)
    return True


def record_settings(state: dict, prefix: str, settings: Settings) -> None:
    """Add the record to a state dict that is being made.

    For `_save_to_state_dict`.

    Args:
        state (dict): The state dict, with torch's metadata unless a caller
            of `state_dict` brought a plain dict.
        prefix (str): Of the keys of the backbone, such as 'backbone.'.
        settings (dict): As `settings_of` returns them.
    """
    metadata = getattr(state, '_metadata', None)
    if metadata is not None:
        metadata.setdefault(prefix[:-1], {})['settings'] = dict(settings)


def recorded_settings(state: Any) -> Dict[str, Any]:
    """Return the records in a state dict: name of the backbone -> settings.

    They are as the file has them, see `check_settings`.
    """
    metadata = getattr(state, '_metadata', None)
    if not isinstance(metadata, dict):
        return {}
    return {
        str(name): entry['settings']
        for name, entry in metadata.items()
        if isinstance(entry, dict) and 'settings' in entry
    }


def with_settings(
    tensors: Mapping[str, Tensor], records: Dict[str, Any]
) -> Dict[str, Tensor]:
    """Make a state dict that has records, as `recorded_settings` gives."""
    state = OrderedDict(tensors)
    metadata = OrderedDict(
        (name, dict(settings=settings)) for name, settings in records.items()
    )
    state._metadata = metadata  # type: ignore[attr-defined]  # torch's
    return state


def check_settings(settings: Any, location: str) -> Settings:
    """Return the record of a file; a file without one has no settings.

    Raises:
        ValueError: It is none that `settings_of` made.
    """
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not all(
        isinstance(name, str) and (value is None or isinstance(value, str))
        for name, value in settings.items()
    ):
        raise ValueError(
            f'{location} is damaged: expected names and lines of text as the '
            f'record of its settings, got {str(settings)[:80]}. Take another '
            'copy, or save its tensors alone'
        )
    return settings


def _describe(order: object) -> str:
    """Name of a scan order, with its own settings in brackets."""
    own = [
        f'{name}={value!r}'
        for name, value in sorted(vars(order).items())
        if isinstance(value, (str, int, float, tuple, type(None)))
        and len(repr(value)) <= 40
    ]
    name = type(order).__name__
    return f'{name}({", ".join(own)})' if own else name
