"""What a recognizer with a VideoMamba needs, said before it runs.

mmaction2 puts any head on any backbone and pads clips of different sizes
with zeros. The first ends in an error about shapes, or in scores of nothing;
with the second a score depends on the other clips of the batch.
"""

import functools
from typing import Any, Dict, Tuple

from mmaction.models import Recognizer2D
from mmaction.models.recognizers.base import BaseRecognizer
from torch import nn

from .videomamba import OUT_TYPES, VideoMamba

# Heads of mmaction2 and ours: what `out_type` they take. Those that want
# several stages or networks, or features of single frames, take none.
VECTORS = ('cls_token', 'avg_featmap')
OUT_TYPES_OF_HEADS: Dict[str, Tuple[str, ...]] = {
    'VideoMambaHead': OUT_TYPES,
    'I3DHead': ('featmap',),
    'OmniHead': ('featmap',),
    'TPNHead': ('featmap',),
    'X3DHead': ('featmap',),
    'TimeSformerHead': VECTORS,
    'UniFormerHead': VECTORS,
    'FeatureHead': (*VECTORS, 'featmap'),
    'GCNHead': (),
    'MViTHead': (),
    'RGBPoseHead': (),
    'SlowFastHead': (),
    'TRNHead': (),
    'TSMHead': (),
    'TSNAudioHead': (),
    'TSNHead': (),
}
# What stands in for a head that pools over several paths or frames; for others
# that take none it is 'VideoMambaHead'.
REPLACEMENTS = dict.fromkeys(
    ('SlowFastHead', 'TRNHead', 'TSMHead', 'TSNHead'), 'I3DHead'
)


def check_recognizers() -> None:
    """Have mmaction2's recognizers checked if their backbone is VideoMamba."""
    build = BaseRecognizer.__init__

    @functools.wraps(build)
    def build_and_check(
        self: BaseRecognizer, *args: Any, **kwargs: Any
    ) -> None:
        build(self, *args, **kwargs)
        if isinstance(self.backbone, VideoMamba):
            require_clips(self)
            if self.with_cls_head and not self.with_neck:
                require_head_takes(self.cls_head, self.backbone)
            self.data_preprocessor.register_forward_pre_hook(require_one_size)

    BaseRecognizer.__init__ = build_and_check


def require_clips(recognizer: BaseRecognizer) -> None:
    """Require a recognizer that hands clips to its backbone.

    Raises:
        ValueError: It is mmaction2's Recognizer2D; one of the user's is not
            judged.
    """
    if type(recognizer) is Recognizer2D:
        raise ValueError(
            "model.type='Recognizer2D' gives its backbone single frames, and "
            "VideoMamba takes clips. Set model.type='Recognizer3D', "
            "data_preprocessor.format_shape='NCTHW' and, in the pipelines, "
            "FormatShape(input_format='NCTHW')"
        )


def require_head_takes(head: nn.Module, backbone: VideoMamba) -> None:
    """Require that a head takes the features of a backbone.

    Raises:
        ValueError: It is a head of `OUT_TYPES_OF_HEADS` that does not.
    """
    name = type(head).__name__
    known = type(head).__module__.startswith(
        ('mmaction.models.heads.', 'mmvideomamba.models.')
    )
    if not known or name not in OUT_TYPES_OF_HEADS:
        return  # one of the user's
    if name == 'I3DHead' and head.avg_pool is None:
        return  # C3D's: as many channels as there are numbers
    fitting = OUT_TYPES_OF_HEADS[name]
    if not fitting:
        other = REPLACEMENTS.get(name, 'VideoMambaHead')
        raise ValueError(
            f'cls_head.type={name!r} takes features that VideoMamba does not '
            f'have, of several stages, networks or frames. Use {other!r} with '
            f'backbone.out_type={OUT_TYPES_OF_HEADS[other][0]!r}, or another '
            'head of docs/heads.md'
        )
    if backbone.out_type not in fitting:
        raise ValueError(
            f'cls_head.type={name!r} takes backbone.out_type='
            f'{" or ".join(map(repr, fitting))}, got {backbone.out_type!r}'
        )
    in_channels = getattr(head, 'in_channels', None)
    if isinstance(in_channels, int) and in_channels != backbone.embed_dims:
        raise ValueError(
            f'cls_head.in_channels is {in_channels}, but the backbone has '
            f'{backbone.embed_dims} channels. Set cls_head.in_channels='
            f'{backbone.embed_dims}, or backbone.arch to another size'
        )


def require_one_size(preprocessor: nn.Module, args: tuple) -> None:
    """Require clips of one size in a batch, before they are padded.

    Args:
        preprocessor (nn.Module): The data preprocessor.
        args (tuple): Its arguments; the first is the batch of a data loader.

    Raises:
        ValueError: Clips of different sizes, or frames where the data
            preprocessor takes clips.
    """
    data = args[0]
    for batch in data if isinstance(data, (tuple, list)) else [data]:
        clips = batch['inputs']
        if not isinstance(clips, (list, tuple)):
            continue  # stacked already, or of several modalities
        sizes = sorted({tuple(clip.shape) for clip in clips})
        takes_clips = getattr(preprocessor, 'format_shape', '') == 'NCTHW'
        if takes_clips and any(len(size) != 5 for size in sizes):
            raise ValueError(
                'expected clips of shape (views, C, T, H, W), as '
                "data_preprocessor.format_shape='NCTHW' says, got "
                f'{" and ".join(map(str, sizes))}. In a config this takes '
                "FormatShape(input_format='NCTHW') in the pipelines and "
                "model.type='Recognizer3D'"
            )
        if len(sizes) > 1:
            raise ValueError(
                'expected clips of one size in a batch, got '
                f'{" and ".join(map(str, sizes))} as (views, C, T, H, W). '
                'They would be padded with zeros, and the scores of a video '
                'would depend on the others in its batch. Bring all to one '
                'size in the pipeline, such as by CenterCrop, or set '
                'batch_size=1'
            )
