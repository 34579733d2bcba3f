"""A declared convention is what the implementation is compared with, and nothing else."""

from typing import Any

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.benign_variants import DecoderOfTimestepTwo
from ..known_bugs.run import CAUGHT, FEW, run_property_on
from ..protocol import ANCESTRAL
from ..protocol.contract import Checked

KERNEL = "test_losses.py::test_reverse_kernel_is_the_posterior_at_the_prediction"
TERMS = "test_likelihood.py::test_each_term_is_a_kl_or_a_decoder_likelihood"
OPTIONS = "test_options_of_bounds.py::test_bounds_with_all_pairs_of_options"
STRATIFIED = "test_options_of_bounds.py::test_stratified_bounds_with_all_pairs_of_options"
OF_THE_DECODER: list[tuple[str, dict[str, Any]]] = [
    *((test, {"variance": variance}) for test in (KERNEL, TERMS) for variance in ANCESTRAL),
    (OPTIONS, {}),
    (STRATIFIED, {}),
]


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


@pytest.mark.parametrize(("test", "arguments"), OF_THE_DECODER, ids=str)
@pytest.mark.parametrize(
    "implementation", [DecoderOfTimestepTwo, DeclaredForOneKind, WithoutDeclaration]
)
def test_declared_decoder_variance_passes(implementation, test, arguments):
    """Without a declaration it is beta_1."""
    run_property_on(checked(implementation), test, arguments, FEW)


@pytest.mark.parametrize(("test", "arguments"), OF_THE_DECODER[:-1], ids=str)
@pytest.mark.parametrize("implementation", [Undeclared, OnlyDeclared, Misspelt])
def test_another_decoder_variance_than_declared_fails(implementation, test, arguments):
    with pytest.raises(CAUGHT):
        run_property_on(checked(implementation), test, arguments, FEW)
