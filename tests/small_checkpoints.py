"""Small files in the published formats."""

import argparse

import numpy as np
import torch

VIM_NAME = (
    'vim_tiny_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_'
    'midclstok_div2'
)


def make_state(
    dims, layers=2, num_patches=4, times=None, classes=5, patch=16, seed=0
):
    """Random tensors under the published names; `times` makes it a video's."""
    torch.manual_seed(seed)

    def randn(*shape, scale=1.0):
        return torch.randn(*shape) * scale

    D, R, N = 2 * dims, dims // 16, 16
    frames = () if times is None else (1,)
    state = {
        'cls_token': randn(1, 1, dims),
        'pos_embed': randn(1, num_patches + 1, dims),
        'patch_embed.proj.weight': randn(
            dims, 3, *frames, patch, patch, scale=0.05
        ),
        'patch_embed.proj.bias': randn(dims),
        'norm_f.weight': 1 + randn(dims, scale=0.1),
        'head.weight': randn(classes, dims, scale=0.1),
        'head.bias': randn(classes),
    }
    if times is not None:
        state['temporal_pos_embedding'] = randn(1, times, dims)
    for i in range(layers):
        mixer = {
            'in_proj.weight': randn(2 * D, dims, scale=dims**-0.5),
            'out_proj.weight': randn(dims, D, scale=D**-0.5),
        }
        for b in ('', '_b'):
            states = torch.arange(1.0, N + 1).log().repeat(D, 1)
            mixer[f'A{b}_log'] = states + randn(D, N, scale=0.1)
            mixer[f'D{b}'] = 1 + randn(D, scale=0.1)
            mixer[f'conv1d{b}.weight'] = randn(D, 1, 4, scale=0.5)
            mixer[f'conv1d{b}.bias'] = randn(D, scale=0.1)
            mixer[f'x_proj{b}.weight'] = randn(R + 2 * N, D, scale=D**-0.5)
            mixer[f'dt_proj{b}.weight'] = randn(D, R, scale=R**-0.5)
            mixer[f'dt_proj{b}.bias'] = randn(D) - 3
        state[f'layers.{i}.norm.weight'] = 1 + randn(dims, scale=0.1)
        state.update({f'layers.{i}.mixer.{k}': v for k, v in mixer.items()})
    return state


def save_vim(path, state, model_name=VIM_NAME):
    """As Vim's training script: all it knows, arguments included."""
    torch.save(
        dict(
            model=state,
            model_ema={k: v + 1 for k, v in state.items()},
            optimizer=dict(state={}, param_groups=[dict(lr=1e-5)]),
            lr_scheduler=dict(last_epoch=np.float64(299.0)),
            epoch=299,
            args=argparse.Namespace(model=model_name, lr=5e-4, opt='adamw'),
        ),
        path,
    )
    return str(path)


def save_flat(path, state):
    """As OpenGVLab's image checkpoints, and some of video."""
    torch.save(state, path)
    return str(path)


def save_wrapped(path, state, container='module', prefix=''):
    """As OpenGVLab's fine-tuned checkpoints, `module.` prefixes optional."""
    state = {prefix + name: tensor for name, tensor in state.items()}
    torch.save({container: state, 'epoch': 49}, path)
    return str(path)
