"""Compare training step and network evaluation of the U-Net with those of diffusers and azula.

Run as: python -m benchmarks.unet [--dtype bf16] [--batch 64] [--rounds 8] [--device cuda]
The images are 32 x 32 x 3, the networks have about 1.85 million parameters, all use the same batch.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from benchmarks.interleaved import interleaved, report
from ddpm_core import UNet


class WithTime(nn.Module):
    """A peer's network with our signature: network(x_t, t)."""

    def __init__(self, network: nn.Module, call: Callable) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.call(self.network, x_t, t)


def ours(layout: torch.memory_format) -> nn.Module:
    return UNet(3, width=32, multipliers=(1, 2, 4)).to(memory_format=layout)


def diffusers() -> nn.Module:
    from diffusers import UNet2DModel

    network = UNet2DModel(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )
    return WithTime(network, lambda net, x, t: net(x, t).sample)


def azula() -> nn.Module:
    from azula.nn.unet import UNet as AzulaUNet

    class Azula(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time = nn.Linear(1, 128)
            self.unet = AzulaUNet(
                3,
                3,
                hid_channels=(32, 64, 176),
                hid_blocks=(1, 1, 1),
                mod_features=128,
                norm="group",
            )

        def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return self.unet(x_t, self.time(t[:, None] / 1000))

    return Azula()


NETWORKS = {
    "ddpm-core": (lambda: ours(torch.channels_last), torch.channels_last),
    "ddpm-core, contiguous": (lambda: ours(torch.contiguous_format), torch.contiguous_format),
    "diffusers UNet2DModel": (diffusers, torch.contiguous_format),
    "azula UNet": (azula, torch.contiguous_format),
}


def subject(name: str, options: argparse.Namespace, train: bool) -> Callable[[], object]:
    build, layout = NETWORKS[name]
    torch.manual_seed(0)
    network = build().to(options.device)
    x_t = torch.randn(options.batch, 3, 32, 32).to(options.device, memory_format=layout)
    t = torch.randint(1, 1001, (options.batch,)).to(options.device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    print(f"{name}: {sum(p.numel() for p in network.parameters()):,} parameters")

    def forward() -> torch.Tensor:
        with torch.autocast(options.device, torch.bfloat16, enabled=options.dtype == "bf16"):
            return network(x_t, t).float()

    def step() -> None:
        optimizer.zero_grad()
        (forward() - x_t).square().mean().backward()
        optimizer.step()

    def finished() -> None:
        step() if train else torch.no_grad()(forward)()
        if options.device != "cpu":  # CUDA calls return before the work is done
            torch.accelerator.synchronize()

    return finished


def peak_memory(name: str, options: argparse.Namespace) -> int:
    """Return the peak memory that three training steps add to a process or GPU, in MiB.

    It includes weights, gradients, optimizer state and activations. Each network is measured in its
    own process (Linux).
    """
    command = [sys.executable, "-m", "benchmarks.unet", "--memory-of", name]
    command += ["--batch", str(options.batch), "--dtype", options.dtype, "--device", options.device]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def resident(which: str) -> int:
    """Return VmRSS, the current resident memory, or VmHWM, its peak, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(which))
    return int(line.split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--memory-of", choices=NETWORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        import_peer = NETWORKS[options.memory_of][0]
        import_peer()  # the memory of the libraries themselves does not count
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = resident("VmRSS")
        step = subject(options.memory_of, options, train=True)
        for _ in range(3):
            step()
        on_gpu = options.device == "cuda"
        print(torch.cuda.max_memory_allocated() >> 20 if on_gpu else resident("VmHWM") - before)
        return

    on_cpu = options.device == "cpu"
    what = torch.backends.cpu.get_cpu_capability() if on_cpu else torch.cuda.get_device_name()
    print(f"{options.dtype}, batch {options.batch}, {what}")
    for train in (True, False):
        subjects = {name: subject(name, options, train) for name in NETWORKS}
        print("training step" if train else "network evaluation without gradients")
        report(interleaved(subjects, options.rounds, warm_up=1), "ddpm-core")
    print("peak memory of training steps")
    for name in NETWORKS:
        print(f"{name:32s} {peak_memory(name, options):6d} MiB")


if __name__ == "__main__":
    main()
