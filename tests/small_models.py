"""A recognizer small enough to be built and run by the hundred."""

from mmvideomamba.models.videomamba import ARCHS


def small_recognizer(
    num_classes=8, img_size=32, embed_dims=16, num_layers=1, **backbone
):
    """Config of a VideoMamba of 4 frames; `backbone` replaces its settings."""
    arch = dict(embed_dims=embed_dims, num_layers=num_layers)
    arch = backbone.pop('arch', arch)
    sizes = ARCHS[arch] if isinstance(arch, str) else arch
    default = dict(
        type='VideoMamba', arch=arch, img_size=img_size, num_frames=4
    )
    backbone = {**default, **backbone}
    return dict(
        type='Recognizer3D',
        backbone=backbone,
        cls_head=dict(
            type='VideoMambaHead',
            num_classes=num_classes,
            in_channels=sizes['embed_dims'],
            average_clips='prob',
        ),
        data_preprocessor=dict(
            type='ActionDataPreprocessor', format_shape='NCTHW'
        ),
    )
