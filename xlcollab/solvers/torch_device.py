"""Which device torch computes on, and what a device is good for."""

from __future__ import annotations

import torch

from xlcollab.errors import DeviceError, OptionError

__all__ = ["pick_device", "starts_at_once"]


def pick_device(name: str) -> torch.device:
    """The device called ``name``: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    `DeviceError` where it is missing, `OptionError` where torch knows no such kind.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"device is {name!r}; choose auto, cpu, cuda, cuda:1 or mps.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        why = f"finds {found or 'no'} CUDA device{'' if found == 1 else 's'} here"
        if torch.version.cuda is None:
            why = "is built without CUDA"
        raise DeviceError(
            f"device {name!r} was asked for, and torch {torch.__version__} {why}. Pass device='auto' or 'cpu'."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device {name!r} was asked for and is not there. Pass device='auto' or 'cpu'.")
    return device


def starts_at_once(device: torch.device, bytes_per_start: int) -> int:
    """How many starts to solve in one batch when each takes ``bytes_per_start`` bytes of working memory.

    On a CPU what fits into 64 MiB: enough starts that calling the operations costs little beside them, and more gain
    nothing. On a GPU what fits into half of the memory that is free.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, int(free) // (2 * bytes_per_start))
    return max(1, (64 << 20) // bytes_per_start)
