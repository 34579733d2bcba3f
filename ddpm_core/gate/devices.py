"""Which device a run asks for, and whether it is there: the first question initialises nothing."""

import torch


def requested_device(name: str) -> torch.device:
    """The device that `name` asks for, whether it is there or not; nothing is initialised.

    auto is the accelerator of this machine where it has one. Raises ValueError for an unknown name.
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
    """The device called `name`; auto is the accelerator of this machine, or else the CPU.

    Raises ValueError for a device that is unknown or not there.
    """
    device = requested_device(name)
    if device.type == "cpu":
        return device
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type != device.type:
        raise ValueError(
            f"--device {name}: this machine offers {found or 'only the CPU'}; leave --device out "
            "to work on that"
        )
    return device
