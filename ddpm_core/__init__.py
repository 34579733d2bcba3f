"""ddpm-core: denoising diffusion, proved before it is trained.

The public names stand in `__init__.pyi`, which type checkers read as well. Each name is imported
on first use, so that `import ddpm_core` and a command's `--help` do not import torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
