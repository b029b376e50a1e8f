"""Grad-CAM on the blocks of VideoMamba (Selvaraju et al., arXiv 1610.02391).

Which tokens speak for a class: those whose channels are active where the
gradient of the class's score wants them to be. mmaction2's `GradCAM` takes
layers whose output is (N, C, T, H, W); here it is given the tokens that a
block reads, on their grid.
"""

import math
from contextlib import ExitStack
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from mmaction.models.heads import BaseHead
from mmaction.structures import ActionDataSample
from mmaction.utils import GradCAM
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..apis import find_backbone
from ..positions import Grid
from .blocks import resolve_blocks


class BlockGradCAM(GradCAM):
    """mmaction2's Grad-CAM over the tokens that a block reads.

    Those that the last block writes would not do: with a class token, the
    scores depend on no other of them.

    Args:
        model (BaseModel): A Recognizer3D with a VideoMamba.
        block (int): Number of the block, counted from 0.
        grid (Grid): Tokens of the clip along time, height and width.
        undo (ExitStack): Removes the hooks when it closes.
    """

    def __init__(
        self, model: BaseModel, block: int, grid: Grid, undo: ExitStack
    ) -> None:
        self._grid = grid
        self._undo = undo
        super().__init__(model, f'backbone/layers/{block}')

    def _register_hooks(self, layer_name: str) -> None:
        def keep_gradients(gradients: Tensor) -> None:
            self.target_gradients = self._on_grid(gradients)

        def keep_tokens(layer: nn.Module, inputs: tuple) -> tuple:
            # Nothing before the block is needed, nor need it be trainable.
            tokens = inputs[0].detach().requires_grad_()
            tokens.register_hook(keep_gradients)
            self.target_activations = self._on_grid(tokens.detach())
            return tokens, *inputs[1:]

        layer = self.model.get_submodule(layer_name.replace('/', '.'))
        hook = layer.register_forward_pre_hook(keep_tokens)
        self._undo.callback(hook.remove)

    def _on_grid(self, tokens: Tensor) -> Tensor:
        """(N, L, C) -> (N, C, T, H, W), without the class token."""
        patches = tokens[:, -math.prod(self._grid) :]
        return patches.transpose(1, 2).unflatten(2, self._grid)


def grad_cam(
    model: BaseModel,
    frames: np.ndarray,
    blocks: Optional[Sequence[int]] = None,
    label: Optional[int] = None,
) -> Tuple[Dict[int, np.ndarray], int]:
    """Which parts of a clip speak for a class, by block.

    Args:
        model (BaseModel): A recognizer of `init_model`; it is as before when
            this returns, but without gradients.
        frames (np.ndarray): (T, H, W, 3) uint8 RGB, see `read_clip`.
        blocks (Sequence[int], optional): Numbers of the blocks from 0,
            negative ones from the last. None: all.
        label (int, optional): Number of the class. None: the one with the
            highest score.

    Returns:
        tuple[dict[int, np.ndarray], int]: Block, counted from 0 -> map,
        (T, H, W) float32 from 0 to 1, or 0 everywhere where nothing speaks
        for the class; and the number of the class.

    Raises:
        ValueError: No such block or class, or no VideoMamba in the model.
    """
    backbone = find_backbone(model)
    head: BaseHead = model.cls_head
    num_classes = head.num_classes
    if label is not None and not 0 <= label < num_classes:
        raise ValueError(
            f'expected a class from 0 to {num_classes - 1}, got {label}'
        )
    sample = ActionDataSample()
    if label is not None:
        sample.set_gt_label(label)
    inputs = torch.from_numpy(frames).permute(3, 0, 1, 2)[None]
    data = dict(inputs=[inputs], data_samples=[sample])
    grid = backbone.tokenizer.grid(frames.shape[:3])
    maps = {}
    with ExitStack() as undo:
        undo.callback(model.zero_grad)
        undo.callback(model.train, model.training)
        undo.callback(setattr, head, 'average_clips', head.average_clips)
        for block in resolve_blocks(blocks, backbone.num_layers):
            with ExitStack() as hooks, torch.enable_grad():
                cam = BlockGradCAM(model, block, grid, hooks)
                found, scores = cam._calculate_localization_map(
                    data, use_labels=label is not None
                )
            maps[block] = found[0].cpu().numpy()
    return maps, int(scores.argmax()) if label is None else label
