"""The Spatio-Temporal SSM (the paper, section 4.4 and figure 3).

    [x, z] = W_in h
    per direction k, along its scan order:
        c = SiLU(causal_conv(x))
        [dt, B, C] = W_x c
        delta = softplus(W_dt dt + b_dt)
        y_k = selective_scan(c, delta, A, B, C, D)
    out = W_out(SiLU(z) * sum_k y_k)

The directions share z, so gating once after the sum is exact. Parameters of
the directions carry a leading K axis; projections act per token and ignore
the order.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import require_choice
from ..ops import causal_conv1d, mamba_inner, scan_inputs

MERGES = ('sum', 'mean')


class SpatioTemporalSSM(nn.Module):
    """Mix a token sequence along K scan directions.

    Args:
        d_model (int): Channels of a token.
        num_directions (int): K.
        d_state (int): N, states per channel.
        d_conv (int): W, width of the causal convolution.
        expand (int): d_inner = expand * d_model.
        merge (str): 'sum' of the directions, or their 'mean' (Vim).
        scan_backend (str): See `mmvideomamba.ops.choose_backend`.
    """

    def __init__(
        self,
        d_model: int,
        num_directions: int = 2,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        merge: str = 'sum',
        scan_backend: str = 'auto',
    ) -> None:
        super().__init__()
        require_choice('merge', merge, MERGES)
        K, D = num_directions, expand * d_model
        self.d_inner = D
        self.d_state = d_state
        self.dt_rank = math.ceil(d_model / 16)
        self.merge = merge
        self.scan_backend = scan_backend

        R, N = self.dt_rank, d_state
        self.in_proj = nn.Linear(d_model, 2 * D, bias=False)
        self.conv_weight = nn.Parameter(torch.empty(K, D, d_conv))
        self.conv_bias = nn.Parameter(torch.empty(K, D))
        self.x_proj = nn.Parameter(torch.empty(K, R + 2 * N, D))
        self.dt_proj = nn.Parameter(torch.empty(K, D, R))
        self.dt_bias = nn.Parameter(torch.empty(K, D))
        self.A_log = nn.Parameter(torch.empty(K, D, N))
        self.D = nn.Parameter(torch.empty(K, D))
        self.out_proj = nn.Linear(D, d_model, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as Mamba does, every direction alike.

        A = -(1 .. N), D = 1, softplus(dt_bias) log-uniform in [0.001, 0.1];
        convolution and projections as torch initialises such layers.
        """
        self.in_proj.reset_parameters()
        self.out_proj.reset_parameters()
        # torch's default for Conv1d and Linear: U(+-1 / sqrt(fan_in)).
        for parameter, fan_in in (
            (self.conv_weight, self.conv_weight.shape[-1]),
            (self.conv_bias, self.conv_weight.shape[-1]),
            (self.x_proj, self.d_inner),
            (self.dt_proj, self.dt_rank),
        ):
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5)
        with torch.no_grad():
            states = torch.arange(1, self.d_state + 1, dtype=torch.float32)
            self.A_log.copy_(states.log().expand_as(self.A_log))
            self.D.fill_(1.0)
            dt = torch.empty_like(self.dt_bias)
            dt = dt.uniform_(math.log(0.001), math.log(0.1)).exp()
            self.dt_bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Mix the tokens.

        Args:
            tokens (Tensor): (B, L, d_model).
            order (Tensor): (K, L) int64, see `sequence_orders`.

        Returns:
            Tensor: (B, L, d_model), in token order.
        """
        y = mamba_inner(
            self.in_proj(tokens),
            self.conv_weight,
            self.conv_bias,
            self.x_proj,
            self.dt_proj,
            self.dt_bias,
            -torch.exp(self.A_log),
            self.D,
            order=order,
            backend=self.scan_backend,
        )
        if self.merge == 'mean':
            y = y / len(order)
        return self.out_proj(y)

    def delta(self, tokens: Tensor, order: Tensor) -> Tensor:
        """The step sizes that the scan takes, for looking into a model.

        softplus(W_dt dt + b_dt) of the equations above, from the inputs of
        `forward`, which computes them without keeping them.

        Args:
            tokens (Tensor): (B, L, d_model).
            order (Tensor): (K, L) int64, see `sequence_orders`.

        Returns:
            Tensor: (K, B, L, d_inner), in token order; float32, float64 of a
            float64 model.
        """
        x, _ = self.in_proj(tokens).chunk(2, dim=-1)
        u = causal_conv1d(
            x,
            self.conv_weight,
            self.conv_bias,
            order,
            backend=self.scan_backend,
        )
        delta, _, _ = scan_inputs(u, self.x_proj, self.dt_proj)
        delta = delta.to(torch.promote_types(delta.dtype, torch.float32))
        return F.softplus(delta + self.dt_bias[:, None, None])
