"""The models that the page offers."""

from functools import partial
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from mmengine.model import BaseModel

from ..apis import init_model
from ..checkpoints.reading import REMOTE, download
from ..checks import require_choice
from ..model_zoo import Source, find_model, list_models
from ..text import printable

Tell = Callable[[float, str], None]
"""Is told how far something is, in 0..1, and what it is."""


class Models:
    """A model and the public ones; the one of the last call stays loaded.

    Args:
        name (str): What the page calls the model.
        source (Source): Its config and weights.
        device (str, optional): As in `apis.init_model`, for all of them.

    Attributes:
        names (list[str]): What `load` takes.
    """

    def __init__(
        self, name: str, source: Source, device: Optional[str] = None
    ) -> None:
        public = [model.name for model in list_models()]
        self.names: List[str] = list(dict.fromkeys([name, *public]))
        self._source = source
        self._device = device
        self._loaded: Optional[Tuple[str, BaseModel]] = None

    def find(self, name: str) -> Source:
        """Where a model comes from.

        Raises:
            ValueError: It is none of `names`. Others are not looked for: a
                name may be the path of a config, which is a program.
        """
        require_choice('model', name, self.names)
        return self._source if name == self.names[0] else find_model(name)

    def load(self, name: str, tell: Optional[Tell] = None) -> BaseModel:
        """A recognizer whose scores are probabilities, see `init_model`.

        Args:
            name (str): One of `names`.
            tell (Callable, optional): Is told of the download, the first
                time.

        Raises:
            OSError, ValueError: As `download` and `init_model` do, or there
                is no such name.
        """
        if self._loaded is not None and self._loaded[0] == name:
            return self._loaded[1]
        config, checkpoint = self.find(name)
        if checkpoint and checkpoint.startswith(REMOTE) and tell is not None:
            download(checkpoint, partial(_tell_bytes, tell))
        # There is memory for one.
        self._loaded = None
        model = init_model(
            config,
            checkpoint,
            self._device,
            {'model.cls_head.average_clips': 'prob'},
        )
        self._loaded = (name, model)
        return model

    def describe(self, name: str, model: BaseModel) -> str:
        """What a model is and where its weights come from, in Markdown.

        Args:
            name (str): One of `names`.
            model (BaseModel): That of `load`.
        """
        checkpoint = str(self.find(name).checkpoint)
        file = printable(Path(checkpoint).name)
        if checkpoint.startswith(REMOTE):
            weights = f'[{file}]({checkpoint})'
        else:
            weights = f'`{file}`, on this machine'
        about = f'{model.cls_head.num_classes} classes'
        for info in list_models():
            if info.weights == checkpoint:
                about = (
                    f'{info.dataset}, {about}, {info.frames} frames of '
                    f'{info.size} pixels, top-1 {info.top1} % '
                    f'({info.results_from})'
                )
        millions = sum(p.numel() for p in model.parameters()) / 1e6
        return f'{about}, {millions:.1f} M parameters. Weights: {weights}'


def _tell_bytes(tell: Tell, have: int, size: int) -> None:
    size = max(have, size)
    tell(have / size, f'Weights: {have / 1e6:.0f} of {size / 1e6:.0f} MB')
