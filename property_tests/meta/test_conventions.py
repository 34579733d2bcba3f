"""A declared convention is what the implementation is compared with, and nothing else."""

from typing import Any

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.benign_variants import DecoderOfTimestepTwo
from ..known_bugs.run import CAUGHT, FEW, run_property_on
from ..protocol.contract import Checked

KERNEL = "test_losses.py::test_reverse_kernel_is_the_posterior_at_the_prediction"
TERMS = "test_likelihood.py::test_each_term_is_a_kl_or_a_decoder_likelihood"
OPTIONS = "test_options_of_bounds.py::test_bounds_with_all_pairs_of_options"
STRATIFIED = "test_options_of_bounds.py::test_stratified_bounds_with_all_pairs_of_options"
Case = tuple[str, dict[str, Any]]
OF_THE_DECODER: dict[str, Case] = {
    "kernel, fixed_small": (KERNEL, {"variance": "fixed_small"}),
    "kernel, fixed_large": (KERNEL, {"variance": "fixed_large"}),
    "terms, fixed_small": (TERMS, {"variance": "fixed_small"}),
    "terms, fixed_large": (TERMS, {"variance": "fixed_large"}),
    "options": (OPTIONS, {}),
}


class Undeclared(DecoderOfTimestepTwo):
    def decoder_variance(self, variance):
        raise NotImplementedError


class DeclaredForOneKind(DecoderOfTimestepTwo):
    """The other kind has beta_1."""

    def decoder_variance(self, variance):
        return "beta_tilde_2" if variance == "fixed_large" else "beta_1"

    def reverse_kernel(self, betas, variance, *arguments):
        kind = DdpmCore if variance == "fixed_small" else DecoderOfTimestepTwo
        return kind.reverse_kernel(self, betas, variance, *arguments)


class OnlyDeclared(DdpmCore):
    def decoder_variance(self, variance):
        return "beta_tilde_2"


class WithoutDeclaration(DdpmCore):
    def decoder_variance(self, variance):
        raise NotImplementedError


class Misspelt(DdpmCore):
    def decoder_variance(self, variance):
        return "beta-1"


def checked(implementation: type[DdpmCore]) -> Any:
    return lambda: Checked(implementation())


@pytest.mark.parametrize("name", [*OF_THE_DECODER, "stratified"])
@pytest.mark.parametrize(
    "implementation", [DecoderOfTimestepTwo, DeclaredForOneKind, WithoutDeclaration]
)
def test_declared_decoder_variance_passes(implementation, name):
    """Without a declaration it is beta_1."""
    test, arguments = OF_THE_DECODER.get(name, (STRATIFIED, {}))
    run_property_on(checked(implementation), test, arguments, FEW)


@pytest.mark.parametrize("name", OF_THE_DECODER)
@pytest.mark.parametrize("implementation", [Undeclared, OnlyDeclared, Misspelt])
def test_another_decoder_variance_than_declared_fails(implementation, name):
    test, arguments = OF_THE_DECODER[name]
    with pytest.raises(CAUGHT):
        run_property_on(checked(implementation), test, arguments, FEW)
