"""Adam with decoupled weight decay over one flat tensor, as fastai sets it.

Written here, and not taken from ``torch.optim``, for two reasons: the first step of any optimiser there imports
``torch._dynamo``, which takes longer than the fit of a small sheet; and one flat tensor makes a step seven operations
whatever the number of parameters, where the Python around an operation costs more than its arithmetic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Adam"]


class Adam:
    """The optimiser of one module.

    Step t, for a parameter p with gradient g, at rate lr and momentum β₁::

        p ← (1 − lr · weight_decay) p          decoupled weight decay
        a ← β₁ a + (1 − β₁) g                  b ← β₂ b + (1 − β₂) g²
        p ← p − lr · a / (1 − β₁ᵗ) / (√(b / (1 − β₂ᵗ)) + ε)

    β₂ = 0.99 and ε = 1e-5 are fastai's. Loshchilov & Hutter, *Decoupled weight decay regularization* (2019),
    https://arxiv.org/abs/1711.05101. Batch-norm and the biases of linear layers do not decay; every embedding does,
    the biases of users and items included.

    The module's parameters become views into the flat tensor, so that a step moves them all; make the optimiser after
    the module has reached its device, and do not move the module afterwards.
    """

    def __init__(self, module: nn.Module, weight_decay: float, *, beta2: float = 0.99, epsilon: float = 1e-5) -> None:
        decaying, free = _by_decay(module)
        self.parameters = [*decaying, *free]
        self.weight_decay = weight_decay
        self.beta2 = beta2
        self.epsilon = epsilon
        self.steps = 0
        self._flat = torch.cat([parameter.detach().flatten() for parameter in self.parameters])
        self._decaying = self._flat[: sum(parameter.numel() for parameter in decaying)]
        self._gradient = torch.empty_like(self._flat)
        self._average = torch.zeros_like(self._flat)
        self._square = torch.zeros_like(self._flat)
        parts = torch.split(self._flat, [parameter.numel() for parameter in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.data = part.view_as(parameter)

    @torch.no_grad()
    def step(self, loss: Tensor, lr: float, momentum: float) -> None:
        """Go one step down the gradient of ``loss``."""
        gradients = torch.autograd.grad(loss, self.parameters)
        gradient = torch.cat([part.view(-1) for part in gradients], out=self._gradient)
        self.steps += 1
        if self.weight_decay:
            self._decaying.mul_(1 - lr * self.weight_decay)
        self._average.lerp_(gradient, 1 - momentum)
        self._square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        # √(b / c) + ε = (√b + ε √c) / √c leaves the division to the step's length.
        root = math.sqrt(1 - self.beta2**self.steps)
        length = lr * root / (1 - momentum**self.steps)
        self._flat.addcdiv_(self._average, self._square.sqrt().add_(self.epsilon * root), value=-length)


def _by_decay(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The trainable parameters that decay, and those that do not."""
    decaying: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.requires_grad:
                exempt = name == "bias" or isinstance(part, nn.BatchNorm1d)
                (free if exempt else decaying).append(parameter)
    return decaying, free
