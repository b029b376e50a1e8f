"""Several processes on CPUs."""

import ipaddress
import os
import socket
from functools import wraps
from typing import Any, Callable, Optional
from unittest import mock

import torch
from torch import nn


def let_ddp_run_without_cuda() -> None:
    """Let mmengine's launchers run several CPU processes, over gloo.

    mmengine calls `torch.cuda.set_device` and hands DDP a device id whatever
    the machine, in `Runner` as in `FlexibleRunner`, see `_init_dist_pytorch`
    and its siblings:
    https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py
    """
    if torch.cuda.is_available():
        return
    from mmengine.device import get_device
    from mmengine.dist import utils
    from torch.nn.parallel import DistributedDataParallel as DDP

    init_ddp = DDP.__init__
    if get_device() != 'cpu' or hasattr(init_ddp, 'without_cuda'):
        return

    def over_gloo(launcher: str) -> Callable:
        init_dist = getattr(utils, f'_init_dist_{launcher}')

        @wraps(init_dist)
        def init_gloo(backend: str, **kwargs: Any) -> None:
            require_gloo_meets_other_nodes(launcher)
            with mock.patch('torch.cuda.set_device'):
                init_dist('gloo', **kwargs)

        return init_gloo

    @wraps(init_ddp)
    def init_on_cpu(
        self: DDP,
        module: nn.Module,
        device_ids: Optional[list] = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        init_ddp(self, module, None, *args, **kwargs)

    vars(init_on_cpu)['without_cuda'] = True
    DDP.__init__ = init_on_cpu  # type: ignore[method-assign]  # on purpose
    for launcher in ('pytorch', 'mpi', 'slurm'):
        setattr(utils, f'_init_dist_{launcher}', over_gloo(launcher))


def require_gloo_meets_other_nodes(launcher: str) -> None:
    """Fail before a run over several nodes waits for a loopback address.

    Where the name of a machine leads to 127.0.0.1, gloo tells that address to
    the other nodes, see `ProcessGroupGloo::createDefaultDevice`:
    https://github.com/pytorch/pytorch/blob/v2.6.0/torch/csrc/distributed/c10d/ProcessGroupGloo.cpp

    Raises:
        RuntimeError: That is so, and GLOO_SOCKET_IFNAME says nothing else.
    """
    environ = os.environ
    if launcher == 'slurm':
        several = environ.get('SLURM_NNODES', '1') != '1'
    else:
        size, local_size = dict(
            pytorch=('WORLD_SIZE', 'LOCAL_WORLD_SIZE'),
            mpi=('OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE'),
        )[launcher]
        several = environ.get(local_size, environ.get(size)) != environ.get(
            size
        )
    host = socket.gethostname()
    if several and not environ.get('GLOO_SOCKET_IFNAME') and _is_local(host):
        raise RuntimeError(
            f'this run has several nodes, but the name of this one, {host}, '
            'stands for a loopback address, where gloo would wait for the '
            'others. On every node, set GLOO_SOCKET_IFNAME to the network '
            'interface that the nodes share, such as eth0 (`ip address` '
            'lists them)'
        )


def _is_local(host: str) -> bool:
    """Whether the first usable address of a host is a loopback address."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return True  # torch takes the loopback address instead
    for family, *_, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(address)
            except OSError:
                continue
        return ipaddress.ip_address(
            str(address[0]).split('%')[0]  # without its interface
        ).is_loopback
    return True
