"""Monte Carlo claims, whose error rates are declared before a sample is drawn."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..evidence import evidence
from . import statistics
from .statistics import Finding

ALPHA_RUN = 1e-6  # bound on P(any false alarm in a run), over all claims
ALPHA_CLAIM = 1e-9  # of one claim on one example
STATISTICS = 10  # maximum number of statistics that share a claim's alpha
POWER = 1 - 1e-6  # to detect an effect of the declared size
MIN_EFFECT = 0.1  # of a sigma in the mean, of 1 in the variance ratio
SCALARS = 28_000  # enough for MIN_EFFECT at ALPHA_CLAIM / STATISTICS; the ledger checks it


class LedgerError(AssertionError):
    """A claim that would break the declared error rates."""


@dataclass
class Claim:
    """One claim on one example, with noise keyed by claim, example and source tree."""

    equation: str
    example: str
    key: bytes
    scalars: int
    alpha: float
    min_effect: float
    power: float
    rejected: bool = False
    worst: Finding | None = None  # the least likely statistic

    @property
    def rng(self) -> np.random.Generator:
        """The oracle's noise generator."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self.key, "little")))

    @property
    def seed(self) -> int:
        """The seed of the implementation's noise."""
        return int.from_bytes(self.key[:7], "little")

    def check(self, findings: Iterable[Finding]) -> None:
        """Fail on a statistic whose p-value is at most its part of alpha, or not a number."""
        found = list(findings)
        if len(found) > STATISTICS:
            raise LedgerError(f"{len(found)} statistics share an alpha meant for {STATISTICS}")
        threshold = self.alpha / STATISTICS
        bad = [each for each in found if not each.p > threshold]  # a NaN is bad
        self.worst = min(bad or found, key=lambda each: each.p)
        self.rejected = bool(bad)
        if bad:
            lines = "\n".join(f"  {each.name}: {each.effect}, p = {each.p:.3g}" for each in bad)
            raise AssertionError(
                f"Eq. {self.equation} fails at {self.example} (n = {self.scalars:,} scalars, "
                f"alpha = {self.alpha:g}):\n{lines}"
            )


@dataclass
class Ledger:
    """The false-alarm probability spent by a run, claim by claim."""

    source: str  # hash of the code under test and the suite, so that new code gets new noise
    epoch: str = "0"
    claims: list[Claim] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """The sum of alpha over claims, a bound on P(any false alarm) for any dependence.

        Claims after a rejection belong to the search for a smaller example and spend nothing.
        """
        total = 0.0
        for claim in self.claims:
            total += claim.alpha
            if claim.rejected:
                break
        return total

    def claim(
        self,
        equation: str,
        example: object,
        scalars: int = SCALARS,
        min_effect: float = MIN_EFFECT,
        alpha: float = ALPHA_CLAIM,
    ) -> Claim:
        """Register a claim before sampling; raises LedgerError if alpha or power do not suffice."""
        threshold = alpha / STATISTICS
        power = min(
            statistics.power_of_mean(scalars, min_effect, threshold),
            statistics.power_of_variance(scalars, min_effect, threshold),
        )
        if power < POWER:
            raise LedgerError(
                f"{equation}: {scalars:,} scalars detect an effect of {min_effect:g} with power "
                f"{power:.9f}, below {POWER}; draw more of them, or declare a larger effect"
            )
        name = "/".join([self.source, equation, repr(example), self.epoch])
        key = hashlib.blake2b(name.encode(), digest_size=16).digest()
        claim = Claim(equation, repr(example), key, scalars, alpha, min_effect, power)
        self.claims.append(claim)
        evidence.record_claim(claim)
        if self.spent > ALPHA_RUN * (1 + 1e-9):  # allows for rounding of the sum
            raise LedgerError(
                f"{len(self.claims)} claims spend {self.spent:.3g}, more than {ALPHA_RUN:g}"
            )
        return claim
