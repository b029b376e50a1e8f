"""Reading and writing a model folder: config.json beside its weights."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Union

from ..files import write_json
from .description import check_description, refusal

CONFIG = 'config.json'
WEIGHTS = 'model.safetensors'
# Names of 100,000 classes fit.
MOST_BYTES = 2**25


class ModelFolder(NamedTuple):
    """A model folder that was read.

    Attributes:
        description (dict): What config.json says, see `check_description`.
        weights (str): Path of the weights.
    """

    description: Dict[str, Any]
    weights: str


def is_model_folder(path: Union[str, Path]) -> bool:
    """Whether there is a folder with a config.json."""
    return os.path.isfile(os.path.join(path, CONFIG))


def weights_in(path: str) -> str:
    """The weights that a path names: itself, or those of a model folder.

    Raises:
        FileNotFoundError: A model folder has no weights.
        ValueError: It has several, and none is called model.safetensors.
    """
    if not is_model_folder(path):
        return path
    found = sorted(Path(path).glob('*.safetensors'))
    names = [file.name for file in found]
    if not found:
        raise FileNotFoundError(
            f'{path} has a {CONFIG}, but no {WEIGHTS} beside it'
        )
    if len(found) > 1 and WEIGHTS not in names:
        raise ValueError(
            f'expected one .safetensors beside {path}/{CONFIG}, or one '
            f'called {WEIGHTS}, got {names}'
        )
    return str(Path(path) / (WEIGHTS if WEIGHTS in names else names[0]))


def read_model_folder(path: Union[str, Path]) -> ModelFolder:
    """Read a model folder; it may be anyone's.

    Raises:
        OSError: A file is not there or cannot be read.
        ValueError: config.json is no description of a model, or of another
            than the weights are.
    """
    description = read_description(os.path.join(path, CONFIG))
    weights = weights_in(str(path))
    header = _read_header(weights)
    _require_sizes(description, header.shapes, weights)
    if header.settings != description.get('settings', {}):
        raise ValueError(
            f'{os.path.join(path, CONFIG)} is of another model than '
            f'{os.path.basename(weights)} beside it, which records the '
            f'settings {str(header.settings)[:200]}: take both files from '
            'one source'
        )
    return ModelFolder(description, weights)


def read_description(path: str) -> Dict[str, Any]:
    """Read a config.json, see `read_model_folder`."""
    if os.path.getsize(path) > MOST_BYTES:
        raise ValueError(
            f'{path}: expected at most {MOST_BYTES} bytes, got '
            f'{os.path.getsize(path)}'
        )
    with open(path, 'rb') as file:
        try:
            content = json.loads(file.read())
        # RecursionError: nested without end.
        except (RecursionError, ValueError) as error:
            raise ValueError(
                f'{path}: expected JSON, {error}. Take another copy'
            ) from error
    return check_description(content, path)


def write_description(
    folder: Union[str, Path], description: Dict[str, Any]
) -> None:
    """Write config.json, if it is one that can be read.

    Raises:
        ValueError: The description says what none may.
    """
    path = os.path.join(folder, CONFIG)
    check_description(description, path)
    write_json(path, description)


def _require_sizes(
    description: Dict[str, Any], shapes: Dict[str, List[int]], weights: str
) -> None:
    """Compare the sizes of a model with the shapes of its weights.

    So a model that is built takes no more memory than its weights need.
    """
    model = description['model']
    backbone, head = model['backbone'], model['cls_head']
    arch, patch = backbone['arch'], backbone['patch_size']
    tokenizer = 'backbone.tokenizer.proj.weight'
    classifier = 'cls_head.fc_cls.weight'
    for name in (tokenizer, classifier):
        if name not in shapes:
            raise ValueError(
                f'{weights} has no {name}: expected weights of a recognizer '
                'with a VideoMamba, as tools/model_converters write them'
            )
    ours = dict(
        tubelet=[
            backbone.get('in_channels', 3),
            backbone['tubelet_size'],
            patch,
            patch,
        ],
        head=[head['num_classes'], head['in_channels']],
    )
    theirs = dict(tubelet=shapes[tokenizer][1:], head=shapes[classifier])
    if isinstance(arch, dict):
        blocks = {
            name.split('.')[2]
            for name in shapes
            if name.startswith('backbone.layers.')
        }
        ours['arch'] = [arch['embed_dims'], arch['num_layers']]
        theirs['arch'] = [shapes[tokenizer][0], len(blocks)]
    for name, size in ours.items():
        if size != theirs[name]:
            raise refusal(
                f'{name} in {os.path.dirname(weights)}/{CONFIG}',
                f'the {theirs[name]} of the weights beside it',
                size,
            )


class _Header(NamedTuple):
    """What the header of a .safetensors file says.

    Attributes:
        shapes (dict): Name of a tensor -> its shape.
        settings (dict): What the weights record of themselves.
    """

    shapes: Dict[str, List[int]]
    settings: Dict[str, Any]


def _read_header(path: str) -> _Header:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, 'pt') as file:
            shapes = {
                name: list(file.get_slice(name).get_shape())
                for name in sorted(file.keys())
            }
            settings = (file.metadata() or {}).get('settings', '{}')
        return _Header(shapes, json.loads(settings))
    except (SafetensorError, RecursionError, ValueError) as error:
        raise ValueError(
            f'{path} is damaged or incomplete ({error}). Compare its size '
            'with the source and download it again.'
        ) from error
