"""Choice of the device, in two steps: resolving the name does not initialise it."""

import torch


def requested_device(name: str) -> torch.device:
    """Return the device called `name`, available or not, without initialising it.

    auto is this machine's accelerator if it has one, else the CPU. Raises ValueError for an unknown
    name.
    """
    if name == "auto":
        kind = torch.accelerator.current_accelerator(check_available=False)  # of this build
        if kind is None or torch.get_device_module(kind).device_count() == 0:
            return torch.device("cpu")
        return torch.device(kind.type)
    try:
        return torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device {name} is unknown; try auto, cpu, cuda, mps or xpu") from None


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; auto is this machine's accelerator, else the CPU.

    Raises ValueError for a device that is unknown or not available.
    """
    device = requested_device(name)
    if device.type == "cpu":
        return device
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type != device.type:
        raise ValueError(
            f"--device {name} is not available: this machine has {found or 'only the CPU'}. Omit "
            "--device to use that"
        )
    return device
