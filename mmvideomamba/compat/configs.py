"""Configs and models that are named by an installed package."""

import importlib.metadata
import os
import sys
from functools import wraps
from importlib.util import find_spec
from typing import Any, Optional, Tuple

from ..model_zoo import find_model, find_published


def find_packages_without_pkg_resources() -> None:
    """Let mmengine find `mmaction::...` configs without `pkg_resources`.

    setuptools 82 has it no more; the standard library tells the same:
    https://github.com/open-mmlab/mmengine/pull/1676
    """
    if find_spec('pkg_resources') is not None:
        return
    from mmengine.config import config
    from mmengine.hub import hub
    from mmengine.utils import package_utils

    for module in (package_utils, sys.modules['mmengine.utils'], config, hub):
        for function in (is_installed, package2module, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)


def is_installed(package: str) -> bool:
    """Whether there is a package or a module of this name."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def package2module(package: str) -> str:
    """The name that an installed package is imported by."""
    modules = importlib.metadata.distribution(package).read_text(
        'top_level.txt'
    )
    if not modules:
        raise ValueError(f'can not infer the module name of {package}')
    return modules.split()[0]


def get_installed_path(package: str) -> str:
    """The folder that a package, or a module, is imported from.

    Raises:
        PackageNotFoundError: There is none.
        RuntimeError: It is a namespace package, which has several.
    """
    spec = find_spec(package) or find_spec(package2module(package))
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f'{package} is a namespace package, which is invalid for '
            '`get_installed_path`'
        )
    return os.path.dirname(spec.origin)


def let_configs_inherit_from_ours() -> None:
    """Let a config have `_base_ = 'mmvideomamba::recognition/...'`.

    mmengine knows OpenMMLab's own packages only, and looks up what such a
    config builds in the registries of the package; ours are mmaction2's:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/config.py
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    if 'mmvideomamba' in MODULE2PACKAGE:
        return
    MODULE2PACKAGE['mmvideomamba'] = 'mmvideomamba'
    get_cfg_path = Config._get_cfg_path

    def get_cfg_path_and_scope(
        cfg_path: str, filename: str
    ) -> Tuple[str, Optional[str]]:
        path, scope = get_cfg_path(cfg_path, filename)
        return path, 'mmaction' if scope == 'mmvideomamba' else scope

    Config._get_cfg_path = staticmethod(get_cfg_path_and_scope)


def let_the_hub_build_our_models() -> None:
    """Let `mmengine.hub.get_model` build 'mmvideomamba::recognition/...'.

    It asks a package for its own registries, and for a module that fills them:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/hub/hub.py
    """
    from mmengine import hub
    from mmengine.registry import MODELS, DefaultScope
    from mmengine.runner import load_checkpoint

    get_model = hub.get_model
    if hasattr(get_model, '__wrapped__'):
        return

    @wraps(get_model)
    def get_ours(
        cfg_path: str, pretrained: bool = False, **kwargs: Any
    ) -> Any:
        if not cfg_path.startswith('mmvideomamba::'):
            return get_model(cfg_path, pretrained, **kwargs)
        with DefaultScope.overwrite_default_scope('mmaction'):
            config = hub.get_config(cfg_path, pretrained)
            model = MODELS.build(config.model, default_args=kwargs)
        if pretrained:
            load_checkpoint(model, config.model_path)
            # As mmengine's: a runner must not initialise it again.
            model._is_init = True
        return model

    hub.get_model = get_ours


def let_inferencers_find_our_models() -> None:
    """Let `MMAction2Inferencer(rec=NAME)` take the names of `list_models`.

    mmengine's inferencers read the metafiles of mmaction2 alone:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/infer/infer.py
    """
    from mmengine.infer import BaseInferencer

    load_model = BaseInferencer._load_model_from_metafile
    if hasattr(load_model, '__wrapped__'):
        return

    @wraps(load_model)
    def load_ours(self: BaseInferencer, model: str) -> Any:
        if find_published(model) is not None:
            return find_model(model)
        return load_model(self, model)

    BaseInferencer._load_model_from_metafile = load_ours
