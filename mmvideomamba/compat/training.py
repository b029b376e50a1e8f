"""The runner and its optimizers."""

import _thread
import sys
import threading
from functools import wraps
from typing import Any, Callable

from torch import nn

from ..checkpoints.run_state import fit_optim_wrapper


def compile_the_model_alone() -> None:
    """Let `compile=True` train.

    mmengine compiles `train_step`, and with it the optimizer, the learning
    rates that change in each iteration, and the log; it is the backbone that
    takes the time: https://github.com/open-mmlab/mmengine/issues/1110
    """
    from mmengine._strategy import BaseStrategy
    from mmengine.runner import Runner

    def compile_backbone(model: nn.Module, options: Any) -> None:
        if options or isinstance(options, dict):
            model = getattr(model, 'module', model)
            options = options if isinstance(options, dict) else {}
            options = {k: v for k, v in options.items() if k != 'target'}
            getattr(model, 'backbone', model).compile(**options)

    def maybe_compile(self: Runner, target: str) -> None:
        compile_backbone(self.model, self.cfg.get('compile'))

    def compile_model(
        self: BaseStrategy, model: nn.Module, compile: Any = False
    ) -> nn.Module:
        compile_backbone(model, compile)
        return model

    Runner._maybe_compile = maybe_compile
    BaseStrategy.compile_model = compile_model


def check_optimizer_states() -> None:
    """Let optimizers load only the state of their own parameters.

    torch compares neither shapes nor values, and its fused optimizers write
    past the end of a moment that is too small; what it says of other groups
    names neither parameters nor `frozen_stages`, which leaves frozen ones
    without a group where `paramwise_cfg` is set:
    https://github.com/pytorch/pytorch/blob/v2.8.0/torch/optim/optimizer.py
    """
    from mmengine.optim import AmpOptimWrapper, OptimWrapper

    for cls in (OptimWrapper, AmpOptimWrapper):
        if not hasattr(cls.load_state_dict, '__wrapped__'):
            cls.load_state_dict = _load_checked(cls.load_state_dict)


def _load_checked(load: Callable) -> Callable:
    @wraps(load)
    def load_checked(self: Any, state_dict: dict) -> None:
        load(self, fit_optim_wrapper(state_dict, self))

    return load_checked


def explain_layer_decay() -> None:
    """Say what to do where mmaction2's layer decay knows a model's name not.

    It raises a NotImplementedError without a word:
    https://github.com/OpenGVLab/VideoMamba/issues/109
    """
    from mmaction.engine.optimizers import (
        LearningRateDecayOptimizerConstructor as Constructor,
    )

    add_params = Constructor.add_params
    if hasattr(add_params, '__wrapped__'):
        return

    @wraps(add_params)
    def explain(self: Any, params: list, module: nn.Module, **kw: Any) -> None:
        try:
            add_params(self, params, module, **kw)
        except NotImplementedError as error:
            if error.args:
                raise
            raise NotImplementedError(
                'LearningRateDecayOptimizerConstructor knows MViT and '
                'VisionTransformer, got '
                f'{type(getattr(module, "backbone", module)).__name__}. For '
                "VideoMamba: constructor='LayerDecayOptimWrapperConstructor', "
                'paramwise_cfg=dict(layer_decay=0.75)'
            ) from None

    Constructor.add_params = explain


def deliver_swallowed_interrupts() -> None:
    """Let Ctrl-C end a run also where it comes while an object is destroyed.

    Python only reports what a destructor raises, and goes on; decord's waits
    for its threads in one, and so do PyTorch's data loaders:
    https://github.com/dmlc/decord/blob/v0.6.0/python/decord/video_reader.py,
    https://docs.python.org/3/reference/datamodel.html#object.__del__
    """
    report = sys.unraisablehook
    if hasattr(report, '__wrapped__'):
        return

    @wraps(report)
    def deliver_or_report(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)
            return
        # Later, as the destructor has not returned yet.
        again = threading.Timer(0.05, _thread.interrupt_main)
        again.daemon = True
        again.start()

    sys.unraisablehook = deliver_or_report
