"""Small files in the published formats, and slow models that define them.

The models are written from the formulae that Vim (arXiv 2401.09417) and
OpenGVLab's VideoMamba (arXiv 2403.06977) publish: float64, one token at a
time, one direction at a time, on their own tensor names.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F

VIM_NAME = (
    'vim_tiny_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_'
    'midclstok_div2'
)


def make_state(
    dims, layers=2, places=4, times=None, classes=5, patch=16, seed=0
):
    """Random tensors under the published names; `times` makes it a video's."""
    torch.manual_seed(seed)

    def randn(*shape, scale=1.0):
        return torch.randn(*shape) * scale

    D, R, N = 2 * dims, dims // 16, 16
    frames = () if times is None else (1,)
    state = {
        'cls_token': randn(1, 1, dims),
        'pos_embed': randn(1, places + 1, dims),
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


def slow_image_model(state, image, middle, halve):
    """Features (C,) of the class token for an image (3, H, W)."""
    p = {name: tensor.double() for name, tensor in state.items()}
    patches = _patches(p, p['patch_embed.proj.weight'], image.double())
    place = len(patches) // 2 if middle else 0
    tokens = [*patches[:place], p['cls_token'][0, 0], *patches[place:]]
    tokens = torch.stack(tokens) + p['pos_embed'][0]
    return _blocks(p, tokens, halve)[place]


def slow_video_model(state, clip):
    """Features (C,) of the class token for a clip (3, T, H, W)."""
    p = {name: tensor.double() for name, tensor in state.items()}
    weight = p['patch_embed.proj.weight'][:, :, 0]
    space, time = p['pos_embed'][0], p['temporal_pos_embedding'][0]
    tokens = [p['cls_token'][0, 0] + space[0]]
    for t in range(clip.shape[1]):
        patches = _patches(p, weight, clip[:, t].double())
        tokens += [
            patch + space[1 + s] + time[t] for s, patch in enumerate(patches)
        ]
    return _blocks(p, torch.stack(tokens), halve=False)[0]


def slow_scores(state, features):
    return (
        state['head.weight'].double() @ features + state['head.bias'].double()
    )


def _patches(p, weight, image):
    size = weight.shape[-1]
    return [
        (weight * image[:, y : y + size, x : x + size]).sum((1, 2, 3))
        + p['patch_embed.proj.bias']
        for y in range(0, image.shape[1], size)
        for x in range(0, image.shape[2], size)
    ]


def _blocks(p, tokens, halve):
    layers = 1 + max(int(n.split('.')[1]) for n in p if n.startswith('layers'))
    for i in range(layers):
        layer = {
            name.split('.', 2)[2]: tensor
            for name, tensor in p.items()
            if name.startswith(f'layers.{i}.')
        }
        tokens = tokens + _mixer(
            layer, _norm(tokens, layer['norm.weight']), halve
        )
    return _norm(tokens, p['norm_f.weight'])


def _norm(x, weight):
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def _mixer(layer, tokens, halve):
    p = {k.split('.', 1)[1]: v for k, v in layer.items() if 'mixer' in k}
    x, z = (tokens @ p['in_proj.weight'].T).chunk(2, dim=-1)
    y = _direction(p, '', x) + _direction(p, '_b', x.flip(0)).flip(0)
    y = y * F.silu(z)
    return (y / 2 if halve else y) @ p['out_proj.weight'].T


def _direction(p, b, x):
    R, N = p[f'dt_proj{b}.weight'].shape[1], p[f'A{b}_log'].shape[1]
    A = -p[f'A{b}_log'].exp()
    state = torch.zeros_like(A)
    out = []
    for t in range(len(x)):
        c = p[f'conv1d{b}.bias'].clone()
        for w in range(4):
            if t - 3 + w >= 0:
                c += p[f'conv1d{b}.weight'][:, 0, w] * x[t - 3 + w]
        c = F.silu(c)
        dt, B, C = (p[f'x_proj{b}.weight'] @ c).split([R, N, N])
        delta = F.softplus(
            p[f'dt_proj{b}.weight'] @ dt + p[f'dt_proj{b}.bias']
        )
        state = (delta[:, None] * A).exp() * state
        state = state + (delta * c)[:, None] * B
        out.append(state @ C + p[f'D{b}'] * c)
    return torch.stack(out)
