"""What is exported of a recognizer: raw frames in, scores out."""

from typing import Tuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..apis import find_backbone
from ..models.recognizer_head import find_head
from ..ops import choose_backend


class DeployedRecognizer(nn.Module):
    """Normalisation, backbone and head of a recognizer, as one module.

    Args:
        model (BaseModel): A recognizer of `apis.init_model`; its modules are
            shared.
        with_features (bool): Whether the backbone's features are returned
            too.

    Raises:
        ValueError: It has no VideoMamba, no head, a neck, or a head that does
            not average the clips of a video.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: BaseModel, with_features: bool = False) -> None:
        super().__init__()
        self.backbone = find_backbone(model)
        head = find_head(model)
        if head is None or model.with_neck or head.average_clips is None:
            raise ValueError(
                'expected a recognizer of a backbone and a head, without a '
                "neck, with average_clips='prob' or 'score', got "
                f'cls_head={type(head).__name__}, '
                f'neck={getattr(model, "neck", None)!r}, '
                f'average_clips={getattr(head, "average_clips", None)!r}'
            )
        self.head = head
        self.with_features = with_features
        preprocessor = model.data_preprocessor
        for name, default in (('mean', 0.0), ('std', 1.0)):
            value = getattr(preprocessor, name, torch.tensor(default))
            self.register_buffer(name, value, persistent=False)
        self.eval()

    def forward(self, frames: Tensor) -> Tuple[Tensor, ...]:
        """Score clips.

        Args:
            frames (Tensor): (N, T, H, W, 3) uint8 RGB.

        Returns:
            tuple[Tensor, ...]: (N, classes) float32, probabilities or, with
            `average_clips='score'`, logits; and, if asked for, what the
            backbone makes of the clips.
        """
        clips = frames.permute(0, 4, 1, 2, 3).to(self.mean.dtype)
        features = self.backbone((clips - self.mean) / self.std)
        scores = self.head.average_clip(self.head(features))
        return (scores, features) if self.with_features else (scores,)


def trace(
    recognizer: DeployedRecognizer, frames: Tuple[int, int, int]
) -> ExportedProgram:
    """Export a recognizer with `torch.export`, for any number of clips.

    The blocks are nodes of `mmvideomamba::mamba_inner`, whichever backend the
    model runs on.

    Args:
        recognizer (DeployedRecognizer): On the CPU.
        frames (tuple[int, int, int]): (T, H, W) of a clip.

    Raises:
        ValueError: The clip is not of the size that the backbone is made for,
            or there are no C++ kernels.
    """
    backbone = recognizer.backbone
    grid = backbone.tokenizer.grid(frames)
    if grid != backbone.grid:
        raise ValueError(
            f'expected clips of {backbone.grid} tokens along (time, height, '
            f'width), for which the backbone is made, got {frames} pixels, '
            f'which are {grid}: make num_frames and img_size of the backbone '
            'and the test pipeline of the config agree'
        )
    clips = torch.zeros(2, *frames, 3, dtype=torch.uint8)
    mixers = [layer.mixer for layer in backbone.layers]
    backends = [mixer.scan_backend for mixer in mixers]
    try:
        choose_backend('cpu', clips.device)
    except RuntimeError as error:
        raise ValueError(
            f'an export takes the C++ kernels: {error}'
        ) from error
    try:
        for mixer in mixers:
            mixer.scan_backend = 'cpu'
        with torch.no_grad():
            return export_any_batch(recognizer, clips)
    finally:
        for mixer, backend in zip(mixers, backends):
            mixer.scan_backend = backend


def export_any_batch(model: nn.Module, clips: Tensor) -> ExportedProgram:
    """Export a model of clips for any number of them, with `torch.export`."""
    return torch.export.export(
        model, (clips,), dynamic_shapes=({0: Dim('clips')},)
    )
