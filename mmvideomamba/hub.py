"""Models that travel: in a folder, and by way of the Hugging Face Hub.

save_pretrained(model, 'videomamba-small-mine', license='apache-2.0')
model = from_pretrained('videomamba-small-mine')

push_to_hub(model, 'OWNER/NAME')
model = from_pretrained('OWNER/NAME')

The folder has config.json, which `model_folder` describes, and
model.safetensors. What uses the Hub needs the extra `hub`.
"""

import importlib
import inspect
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, Optional, Union

from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from .apis import get_model
from .checkpoints import encode_weights, require_new, write_new
from .checkpoints.settings import recorded_settings
from .datasets.pipelines import find_class_names, find_dataset, step_type
from .model_folder import (
    CONFIG,
    FORMAT,
    WEIGHTS,
    check_description,
    is_model_folder,
    read_description,
    write_description,
)
from .model_folder.description import (
    BACKBONES,
    HEADS,
    PREPROCESSORS,
    STEPS,
    Part,
)
from .registry import MODELS

# Arguments that change nothing of what a trained model computes, or belong to
# the machine.
LEFT_OUT = {
    *('pos_embed_init', 'drop_rate', 'drop_path_rate', 'frozen_stages'),
    *('with_cp', 'scan_backend', 'init_cfg', 'loss_cls', 'dropout_ratio'),
    *('init_std', 'label_smooth_eps', 'topk', 'blending'),
    *('io_backend', 'collect_keys', 'meta_keys', 'algorithm_keys'),
}
CARD = """\
---
{header}
---

# {name}

A video recognizer with [VideoMamba](https://arxiv.org/abs/2407.08476) as its
backbone, for `mmvideomamba`: {classes} classes, {frames} frames of {size}
pixels.

```python
from mmvideomamba.apis import recognize
from mmvideomamba.hub import from_pretrained

model = from_pretrained('{repo_id}')
print(recognize(model, 'VIDEO.mp4')[:5])
```
"""


def describe_model(
    config: Config, state: Dict[str, Tensor], license: Optional[str] = None
) -> Dict[str, Any]:
    """What config.json says of a model.

    Args:
        config (Config): Its `model` and `test_dataloader` are described.
        state (dict): State dict of the recognizer, with its settings.
        license (str, optional): Of the weights, such as 'apache-2.0'.

    Raises:
        ValueError: A part of the model is not one of ours, or there is no
            test pipeline.
    """
    dataset = find_dataset(config, 'test_dataloader')
    model = config.model
    recognizer = dict(
        type=model.type,
        backbone=_describe(model.get('backbone') or {}, BACKBONES, True),
        cls_head=_describe(model.get('cls_head') or {}, HEADS, True),
        data_preprocessor=_describe(
            model.get('data_preprocessor') or {}, PREPROCESSORS, True
        ),
    )
    if model.get('test_cfg'):
        recognizer['test_cfg'] = dict(model.test_cfg)
    description: Dict[str, Any] = dict(
        format=FORMAT,
        license=license,
        classes=find_class_names(config.test_dataloader.dataset),
        model=recognizer,
        test_pipeline=[_describe(step, STEPS) for step in dataset.pipeline],
    )
    settings = recorded_settings(state)
    if settings:
        description['settings'] = settings
    try:
        description = json.loads(json.dumps(description))
    except TypeError as error:
        raise ValueError(f'config.json takes plain values: {error}') from error
    check_description(description, CONFIG)
    return description


def save_pretrained(
    model: BaseModel, folder: Union[str, Path], license: Optional[str] = None
) -> None:
    """Write a model to a new folder, for others and for every tool.

    Args:
        model (BaseModel): Of `init_model`, `get_model` or `from_pretrained`.
        folder (str | Path): Gets config.json and model.safetensors.
        license (str, optional): Of the weights, such as 'apache-2.0'.

    Raises:
        OSError: The folder has such files already, or cannot be written to.
        ValueError: The model cannot be described, see `describe_model`.
    """
    if not isinstance(getattr(model, 'cfg', None), Config):
        raise ValueError(
            'expected a model with its config in `cfg`, as init_model and '
            f'get_model return it, got {type(model)}'
        )
    state = model.state_dict()
    description = describe_model(model.cfg, state, license)
    path = os.path.join(folder, WEIGHTS)
    write_model(path, encode_weights(state, {}, path), description)


def write_model(
    weights: str, content: bytes, description: Dict[str, Any]
) -> None:
    """Write weights, and config.json beside them; neither may be there.

    Args:
        weights (str): Path of the .safetensors file.
        content (bytes): Of `encode_weights`.
        description (dict): Of `describe_model`.
    """
    folder = os.path.dirname(weights)
    require_new(os.path.join(folder, CONFIG))
    write_new(weights, content)
    write_description(folder, description)


def from_pretrained(
    folder_or_repo_id: str,
    device: Optional[str] = None,
    revision: Optional[str] = None,
) -> BaseModel:
    """Build the recognizer of a model folder, or of a repository of the Hub.

    Args:
        folder_or_repo_id (str): A folder of `save_pretrained`, or
            'OWNER/NAME', whose files are downloaded once to the Hub's cache.
        device (str, optional): As in `apis.init_model`.
        revision (str, optional): Branch, tag or commit of the repository. A
            commit is always the same files.

    Returns:
        BaseModel: In evaluation mode.

    Raises:
        ImportError: The extra `hub` is not installed.
        OSError: The files are not there or cannot be downloaded.
        ValueError: They say something else than a model folder may.
    """
    folder = folder_or_repo_id
    if not os.path.isdir(folder):
        folder = _download(folder_or_repo_id, revision)
    elif not is_model_folder(folder):
        raise FileNotFoundError(
            f'{folder} has no {CONFIG}: expected a folder of save_pretrained'
        )
    return get_model(folder, device=device)


def push_to_hub(
    model: BaseModel,
    repo_id: str,
    license: Optional[str] = None,
    private: bool = False,
) -> str:
    """Upload a model to the Hugging Face Hub, with a short model card.

    The repository is made if need be. A model card that it has stays.

    Args:
        model (BaseModel): As for `save_pretrained`.
        repo_id (str): 'OWNER/NAME'.
        license (str, optional): Of the weights, such as 'apache-2.0'.
        private (bool): Whether a new repository is for its owner alone.

    Returns:
        str: Address of the commit.

    Raises:
        ImportError: The extra `hub` is not installed.
        OSError: It cannot be uploaded, such as without a token.
        ValueError: The model cannot be described, or there is no such name
            of a repository.
    """
    hub = _import_hub()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder, license)
        files: Dict[str, Union[str, bytes]] = {
            name: os.path.join(folder, name) for name in (CONFIG, WEIGHTS)
        }
        card = make_card(repo_id, read_description(str(files[CONFIG])))
        with _named_errors(hub, f'upload {repo_id}'):
            api = hub.HfApi()
            api.create_repo(repo_id, private=private, exist_ok=True)
            if not api.file_exists(repo_id, 'README.md'):
                files['README.md'] = card.encode()
            commit = api.create_commit(
                repo_id,
                [hub.CommitOperationAdd(*file) for file in files.items()],
                commit_message='Upload a model of mmvideomamba',
            )
    return str(commit.commit_url)


def make_card(repo_id: str, description: Dict[str, Any]) -> str:
    """The README.md of a repository, from what config.json says."""
    backbone = description['model']['backbone']
    size = backbone['img_size']
    header = [
        'library_name: mmvideomamba',
        'pipeline_tag: video-classification',
        'tags: [videomamba, mmaction2]',
    ]
    if description['license'] is not None:
        # JSON is YAML, whatever the text.
        header.insert(0, f'license: {json.dumps(description["license"])}')
    return CARD.format(
        header='\n'.join(header),
        name=repo_id.split('/')[-1],
        repo_id=repo_id,
        classes=description['model']['cls_head']['num_classes'],
        frames=backbone['num_frames'],
        size='{} x {}'.format(
            *(size if type(size) is tuple else (size, size))
        ),
    )


def _describe(
    config: Dict[str, Any], parts: Dict[str, Part], whole: bool = False
) -> Dict[str, Any]:
    """What a description holds of a part of a config.

    Args:
        config (dict): The part.
        parts (dict): The types that it may have.
        whole (bool): Write the defaults of its type, too, which a later
            version may change.
    """
    if 'type' not in config:
        raise ValueError(f'expected one of {", ".join(parts)} in the config')
    kind = step_type(config)
    rules = parts[kind].rules if kind in parts else {}
    values = {
        name: value
        for name, value in config.items()
        # Such as lazy=False, where a description has no such argument.
        if name not in LEFT_OUT and (value or name in rules)
    }
    if whole and rules:
        defaults = inspect.signature(MODELS.get(kind)).parameters
        for name in rules:
            default = defaults[name].default
            if default is not inspect.Parameter.empty:
                values.setdefault(name, default)
    return dict(values, type=kind)


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            'the Hugging Face Hub needs the extra hub: pip install '
            "'mmvideomamba[hub]', or pip install huggingface_hub"
        ) from error
    return huggingface_hub


def _download(repo_id: str, revision: Optional[str]) -> str:
    """The local folder of the files of a repository."""
    hub = _import_hub()
    with _named_errors(hub, f'download {repo_id}'):
        config = hub.hf_hub_download(repo_id, CONFIG, revision=revision)
        # Refused before the weights are downloaded.
        read_description(config)
        hub.hf_hub_download(repo_id, WEIGHTS, revision=revision)
    return os.path.dirname(config)


@contextmanager
def _named_errors(hub: ModuleType, what: str) -> Iterator[None]:
    """Say in one line what could not be done, and why."""
    errors = importlib.import_module(f'{hub.__name__}.errors')
    try:
        yield
    except errors.HFValidationError as error:
        raise ValueError(
            f"could not {what}: expected a folder or 'OWNER/NAME', there is "
            'no such folder'
        ) from error
    except (
        errors.HfHubHTTPError,
        errors.EntryNotFoundError,
        RuntimeError,  # while a large file is uploaded
    ) as error:
        # The rest are the address and an advice, in lines of their own.
        reason = ' '.join(str(error).split())
        raise ConnectionError(f'could not {what}: {reason}') from error
