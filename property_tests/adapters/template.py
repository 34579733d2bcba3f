"""Template of an adapter: copy this file, and replace Textbook by the library under test.

    pytest --pyargs ddpm_core.property_tests --ddpm-impl mypackage.template:Template

Begin with the methods below, run the suite, and add those of the protocol that the library has. An
adapter converts and calls; if it computes, it hides what the library does. A call that the library
has no answer to raises NotImplementedError with the reason, which discards that example. Delete a
method to report it as not offered.
"""

import torch

from ..protocol import Array, Betas, Gaussian, Times
from .tensors import FLOAT32, array, event, image, index, only_one_step, tape, tensor


class Textbook:
    """A library as many are: float32, indices from 0, and a table of alpha-bar."""

    def __init__(self, betas: Betas) -> None:
        self.betas = torch.tensor(betas, dtype=torch.float32)
        self.alphas = 1 - self.betas
        self.alphas_bar = torch.cumprod(self.alphas, 0)
        before = torch.cat([torch.ones(1), self.alphas_bar[:-1]])
        self.coef_x0 = before.sqrt() * self.betas / (1 - self.alphas_bar)
        self.coef_xt = self.alphas.sqrt() * (1 - before) / (1 - self.alphas_bar)
        self.variance = self.betas * (1 - before) / (1 - self.alphas_bar)

    def of(self, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return table[index].reshape(-1, 1, 1, 1)

    def add_noise(self, x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        alpha_bar = self.of(self.alphas_bar, index)
        return alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * torch.randn_like(x)

    def posterior(self, x_0: torch.Tensor, x_t: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return self.of(self.coef_x0, index) * x_0 + self.of(self.coef_xt, index) * x_t


class Template:
    """Textbook; see `protocol.Implementation` for the methods and their arguments."""

    name = "textbook 1.0"
    unit_roundoff = FLOAT32

    def alpha_bar(self, betas: Betas) -> Array:
        """Return its table, with 1 for the data in front."""
        return array(torch.cat([torch.ones(1), Textbook(betas).alphas_bar]))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        """Let it draw the given noise."""
        with tape([image(noise)], "randn_like"):
            return event(Textbook(betas).add_noise(image(x_0), index(t)), x_0.shape)

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Its steps go from t to t - 1 only."""
        only_one_step((s != t - 1).any())
        library, at = Textbook(betas), index(t)
        mean = library.posterior(image(x_0), image(x_t), at)
        var = library.of(library.variance, at).expand(mean.shape)
        return Gaussian(event(mean, x_0.shape), event(var, x_0.shape))

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the mean square of each sample."""
        square = torch.nn.functional.mse_loss(tensor(prediction), tensor(target), reduction="none")
        return array(square.reshape(len(target), -1).mean(1))
