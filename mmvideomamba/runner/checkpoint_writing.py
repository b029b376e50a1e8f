"""Checkpoints of a run: written whole, before older ones go, in its folder.

Repairs of mmengine's saving, which writes over the final name after it has
removed the older file:
https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/hooks/checkpoint_hook.py
"""

import os
import os.path as osp
import re
from functools import wraps
from typing import Any, Optional, Union

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import FileClient, LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import FlexibleRunner, Runner

from ..files import atomic_write, remove_partial_files, write_text

AnyRunner = Union[Runner, FlexibleRunner]


def repair_saving() -> None:
    """Repair mmengine's saving; a second call changes nothing."""
    import mmengine.runner
    from mmengine.runner import checkpoint, runner

    if hasattr(checkpoint.save_checkpoint, '__wrapped__'):
        return
    save = _save_atomically(checkpoint.save_checkpoint)
    for module in (checkpoint, runner, mmengine.runner):
        module.save_checkpoint = save
    hook = CheckpointHook
    hook.before_train = _in_own_folder(hook.before_train)
    hook._save_checkpoint_with_step = save_then_remove
    hook._save_best_checkpoint = _keep_best_until_saved(
        hook._save_best_checkpoint
    )


def write_checkpoint(path: str, checkpoint: Any) -> None:
    """Write a file that is on the disk, whole, when this returns.

    Args:
        path (str): A file that is there is replaced.
        checkpoint: What `torch.save` can write.

    Raises:
        OSError: Says how much room was wanted and is left.
    """
    try:
        with (
            atomic_write(path, sync=True, size=_size(checkpoint)) as partial,
            open(partial, 'wb') as file,
        ):
            torch.save(checkpoint, file)
    except OSError as error:
        raise OSError(
            f'{error}. The checkpoints before it are kept: go on with --resume'
        ) from error
    # torch's word for a file that is shorter than what was written to it.
    except RuntimeError as error:
        if 'inline_container' not in str(error):
            raise
        raise OSError(
            f'cannot write {path}: not all of about {_size(checkpoint)} bytes '
            'were written; is the disk full? The checkpoints before it are '
            'kept: make room, then go on with --resume'
        ) from error


def _size(value: Any) -> int:
    """Bytes of all tensors in nested containers."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return 0
    return sum(map(_size, value))


def _save_atomically(save_checkpoint: Any) -> Any:
    """`mmengine.runner.save_checkpoint` through `write_checkpoint`."""

    @wraps(save_checkpoint)
    def save(
        checkpoint: dict,
        filename: str,
        file_client_args: Optional[dict] = None,
        backend_args: Optional[dict] = None,
    ) -> None:
        if not _is_local(filename, file_client_args, backend_args):
            save_checkpoint(
                checkpoint, filename, file_client_args, backend_args
            )
            return
        write_checkpoint(filename, checkpoint)

    return save


def _is_local(
    path: str, file_client_args: Optional[dict], backend_args: Optional[dict]
) -> bool:
    if '://' in path:
        return False
    if file_client_args is not None:
        backend = FileClient.infer_client(file_client_args, path).client
    else:
        backend = get_file_backend(path, backend_args=backend_args)
    return isinstance(backend, LocalBackend)


def save_then_remove(
    self: CheckpointHook, runner: AnyRunner, step: int, meta: dict
) -> None:
    """`CheckpointHook._save_checkpoint_with_step`, in the safe order.

    The file is written, then `last_checkpoint`, then the outdated file is
    removed: whenever the run ends, there is one to resume from.
    """
    outdated = None
    if self.max_keep_ckpts > 0 and step not in [*self.keep_ckpt_ids][-1:]:
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            outdated = self.keep_ckpt_ids.popleft()
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info(
            'keep_ckpt_ids', list(self.keep_ckpt_ids)
        )
    filename = self.filename_tmpl.format(step)
    self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
    runner.message_hub.update_info('last_ckpt', self.last_ckpt)
    runner.save_checkpoint(
        self.out_dir,
        filename,
        self.file_client_args,
        save_optimizer=self.save_optimizer,
        save_param_scheduler=self.save_param_scheduler,
        meta=meta,
        by_epoch=self.by_epoch,
        backend_args=self.backend_args,
        **self.args,
    )
    if is_main_process():
        pointer = osp.join(runner.work_dir, 'last_checkpoint')
        write_text(pointer, self.last_ckpt)
        if outdated is not None:
            name = self.filename_tmpl.format(outdated)
            _remove(self, self.file_backend.join_path(self.out_dir, name))


def _keep_best_until_saved(save_best_checkpoint: Any) -> Any:
    """`_save_best_checkpoint` that removes the older best file last."""

    @wraps(save_best_checkpoint)
    def save_best(self: CheckpointHook, runner: AnyRunner, metrics: dict):  # type: ignore[no-untyped-def]
        if not self.save_best:
            return
        older = _best_paths(self)
        _set_best_paths(self, dict.fromkeys(older))  # nothing to remove
        save_best_checkpoint(self, runner, metrics)
        newer = _best_paths(self)
        _set_best_paths(self, {k: newer[k] or older.get(k) for k in newer})
        for key, path in older.items():
            if path and newer.get(key) not in (None, path):
                if is_main_process():
                    _remove(self, path)
                runner.logger.info(
                    f'The previous best checkpoint {path} is removed'
                )

    return save_best


def _best_paths(hook: CheckpointHook) -> dict:
    """Path of the best file for each measure; '' where there is one."""
    if hasattr(hook, 'best_ckpt_path'):
        return {'': hook.best_ckpt_path}
    return dict(hook.best_ckpt_path_dict)


def _set_best_paths(hook: CheckpointHook, paths: dict) -> None:
    if hasattr(hook, 'best_ckpt_path'):
        hook.best_ckpt_path = paths['']
    else:
        hook.best_ckpt_path_dict = paths


def _remove(hook: CheckpointHook, path: str) -> None:
    if hook.file_backend.isfile(path):
        hook.file_backend.remove(path)
    elif hook.file_backend.isdir(path):
        # DeepSpeed's checkpoints are folders.
        hook.file_backend.rmtree(path)


def require_unused_work_dir(runner: AnyRunner) -> None:
    """Refuse to start where another run has its checkpoints.

    A forgotten --resume would cost them. A run that resumes, also one that
    finds nothing to resume, may start anywhere.

    Raises:
        ValueError: There are some.
    """
    if runner._resume:
        return
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            folder = _folder(hook, runner)
            there = _checkpoints_in(folder, hook)
            if there:
                raise ValueError(
                    f'{folder} has checkpoints of another run, {there}, which '
                    'this one would overwrite. To go on with that run, give '
                    '--resume; to start anew, give another --work-dir, or '
                    'move them away'
                )


def _folder(hook: CheckpointHook, runner: AnyRunner) -> str:
    """Where a hook is going to save, see its `out_dir`."""
    if hook.out_dir in (None, runner.work_dir):
        return runner.work_dir
    name = osp.basename(runner.work_dir.rstrip(osp.sep))
    return osp.join(hook.out_dir, name)


def _own_names(hook: CheckpointHook) -> 're.Pattern[str]':
    """Names that a hook gives to its files."""
    files = re.escape(hook.filename_tmpl).replace(r'\{\}', r'\d+')
    return re.compile(f'(best_.*)?{files}')


def _checkpoints_in(folder: str, hook: CheckpointHook) -> str:
    """The first names of them."""
    names = os.listdir(folder) if osp.isdir(folder) else []
    there = sorted(filter(_own_names(hook).fullmatch, names))
    return ', '.join(there[:3]) + ', ...' * (len(there) > 3)


def _in_own_folder(before_train: Any) -> Any:
    """`CheckpointHook.before_train` of a run that keeps to its folder.

    mmengine takes from the checkpoint that it resumes which files it may
    remove, wherever they are.
    """

    @wraps(before_train)
    def keep_to_folder(self: CheckpointHook, runner: AnyRunner) -> None:
        folder = _folder(self, runner)
        source = getattr(runner, 'resumed_from', None)
        goes_on = source is not None and _same(osp.dirname(source), folder)
        there = _checkpoints_in(folder, self)
        if there and not goes_on and self.last_ckpt is None:
            runner.logger.warning(
                f'{folder} has checkpoints of another run, {there}: those of '
                'the same names will be overwritten'
            )
        _drop_paths(runner, folder, _own_names(self), goes_on)
        if is_main_process() and osp.isdir(folder):
            # Of a run that was killed while it saved.
            suffix = osp.splitext(self.filename_tmpl)[1]
            remove_partial_files(folder, suffix)
        before_train(self, runner)

    return keep_to_folder


def _drop_paths(
    runner: AnyRunner, folder: str, own: 're.Pattern[str]', goes_on: bool
) -> None:
    """Forget files that a resumed checkpoint names, unless they are ours.

    A folder that was moved or copied takes its own copies of them.
    """
    hub = runner.message_hub
    for key, path in list(hub.runtime_info.items()):
        if key == 'keep_ckpt_ids' and not goes_on:
            hub.pop_info(key)
        if not key.startswith(('best_ckpt', 'last_ckpt')):
            continue
        name = osp.basename(path) if isinstance(path, str) else ''
        here = osp.join(folder, name)
        if goes_on and own.fullmatch(name) and osp.exists(here):
            hub.update_info(key, here)
        elif not (
            isinstance(path, str)
            and '://' in folder
            and path == f'{folder.rstrip("/")}/{name}'
        ):
            hub.pop_info(key)
            runner.logger.info(
                f'{key} of the checkpoint, {str(path)[:200]!r}, is no file '
                f'of this run in {folder}: left out'
            )


def _same(a: str, b: str) -> bool:
    return osp.realpath(a or '.') == osp.realpath(b)
