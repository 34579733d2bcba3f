"""Tests of the guarded mutants: each differs from the source where its guard holds, only there."""

import ast
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ..mutation import guards
from ..mutation.exempt import parents_of
from ..mutation.guarded import CACHE, DEFAULT, DETACH, KINDS, catalogue, injection
from ..mutation.guarded_equivalents import GUARDED
from ..mutation.guarded_table import Outcome, complaints, entries_of, sample, table
from ..mutation.inject import source_of
from ..mutation.kill import killer
from ..mutation.recording import recording
from ..mutation.signatures import applicable, sources_of
from ..mutation.targets import PROPERTIES

LIBRARY, _ = source_of("ddpm_core")
DDIM, NetworkDenoiser, Schedule = LIBRARY.DDIM, LIBRARY.NetworkDenoiser, LIBRARY.Schedule
EMBEDDINGS, _ = source_of("ddpm_core.networks.embeddings")
SHORT, LONG = Schedule.linear(1000), Schedule.linear(1001)


def inject(name: str, kind: str, within: str) -> Any:
    """Return the context of the first mutant of the kind whose statement contains the text."""
    module, source = source_of(f"ddpm_core.{name}")
    for entry in catalogue(module, source, ()):
        if entry.kind == kind:
            site = entry.sites[0] if entry.sites else None
            statement, context = injection(module, source, entry, site)
            if within in statement:
                return context
    raise AssertionError(f"{name} has no mutant {kind} of {within}")


def noised(
    n: int = 2,
    t: int = 5,
    schedule: Any = SHORT,
    dtype: torch.dtype = torch.float64,
    grad: bool = False,
) -> torch.Tensor:
    x = torch.ones(n, 3, dtype=dtype, requires_grad=grad)
    return LIBRARY.q_sample(schedule, x, torch.full((n,), t), x).detach()


@pytest.mark.parametrize(
    ("guard", "met", "unmet"),
    [
        ("float16", {"dtype": torch.float16}, {"dtype": torch.bfloat16}),
        ("bfloat16", {"dtype": torch.bfloat16}, {"dtype": torch.float32}),
        ("float32", {"dtype": torch.float32}, {}),
        ("requires_grad", {"grad": True}, {}),
        ("one sample", {"n": 1}, {"n": 2}),
        ("more than 64 samples", {"n": 65}, {"n": 64}),
        ("T > 1000", {"schedule": LONG}, {}),
        ("t == T", {"t": 1000}, {"t": 1000, "schedule": LONG}),
    ],
)
def test_guarded_mutant_differs_where_its_guard_holds(guard, met, unmet):
    right = noised(**met), noised(**unmet)
    with inject("forward_process", guard, "coef_noise = "):
        assert not guards.reached()
        assert (noised(**unmet) == right[1]).all()
        assert not guards.reached()
        assert (noised(**met) != right[0]).all()
        assert guards.reached()
    assert (noised(**met) == right[0]).all()


def test_mutant_guarded_by_labels():
    denoiser = NetworkDenoiser(SHORT, lambda x, t, labels=None: x if labels is None else -x, "x0")
    x, labels = torch.ones(2, 3), torch.tensor([0, 1])
    with inject("denoiser", "labels", "outputs = "):
        assert (denoiser(x, 5).x0_hat == x).all()
        with pytest.raises(ValueError, match=r"it must be \(2, 6\)"):  # a variance is expected
            denoiser(x, 5, labels)
    assert (denoiser(x, 5, labels).x0_hat == -x).all()


def test_mutant_guarded_by_the_second_call_starts_again_with_each_example():
    right = noised()
    with inject("forward_process", "second call", "coef_noise = "):
        assert (noised() == right).all()
        assert (noised() != right).all()

        @given(st.integers(0, 5))
        def in_examples(_: int):
            assert (noised() == right).all()
            assert (noised() != right).all()

        in_examples()


def test_guard_is_decided_outside_of_comprehensions():
    def features(n: int) -> torch.Tensor:
        return EMBEDDINGS.fourier_features(torch.full((n, 1, 2, 2), 0.3), (0, 1))

    right = features(1), features(2)
    with inject("networks.embeddings", "one sample", "for k in"):
        assert (features(2) == right[1]).all()
        assert not torch.equal(features(1), right[0])


def test_inserted_detach_stops_the_gradient_of_one_tensor():
    def gradients() -> list[torch.Tensor | None]:
        x, noise = (torch.ones(2, 3, requires_grad=True) for _ in range(2))
        LIBRARY.q_sample(SHORT, x, 5, noise).sum().backward()
        return [x.grad, noise.grad]

    assert None not in gradients()
    with inject("forward_process", DETACH, "detached(noise)"):
        x, noise = gradients()
    assert x is not None
    assert noise is None


def test_changed_default_is_used_and_restored():
    with inject("samplers.ddim", DEFAULT, "eta="):
        assert DDIM(SHORT).eta == 0.5
    assert DDIM(SHORT).eta == 0
    with inject("schedules", DEFAULT, "linear(..., rescale"):
        assert Schedule.linear(50).beta(1) == Schedule.linear(50, rescale=False).beta(1)
    assert Schedule.linear(50).beta(1) != Schedule.linear(50, rescale=False).beta(1)


def test_weak_cache_recalls_the_answer_of_other_values():
    steep = Schedule.from_betas([0.05] * 1000)
    right, other = noised(), noised(schedule=steep)
    with inject("forward_process", CACHE, "q_sample"):
        assert (noised() == right).all()
        assert (noised(schedule=steep) == right).all()
        assert (noised(n=1) == right[:1]).all()
    assert (noised(schedule=steep) == other).all()


def test_nothing_is_left_behind():
    module, _ = source_of("ddpm_core.forward_process")
    before = dict(vars(module))
    with inject("forward_process", "T > 1000", "coef_noise = "):
        pass
    assert vars(module) == before


@pytest.mark.parametrize(
    ("signature", "guarded_by"),
    [
        ("a: float", []),
        ("t: Time", [*KINDS[4:6]]),
        (
            "schedule: Schedule, t: Time",
            ["one sample", "more than 64 samples", "T > 1000", "t == T"],
        ),
        ("weights: Float64[Tensor, ' T']", ["T > 1000"]),
        ("cond: Int[Tensor, ' batch'] | None", ["labels"]),
        ("nats: Float[Tensor, '*shape']", [*KINDS[:4]]),
        ("x: Float[Tensor, ' batch *event']", [*KINDS[:6]]),
        ("q: Gaussian", [*KINDS[:6]]),
    ],
)
def test_guards_are_those_that_the_annotations_admit(signature, guarded_by):
    tree = ast.parse(f"def f({signature}): pass")
    found = sources_of(parents_of(tree), tree.body[0])
    assert applicable(found) == [*guarded_by, "second call"]


def test_local_function_meets_the_guards_of_the_function_around_it():
    source = "def f(schedule: Schedule, t: int):\n    def g(t: Tensor): pass"
    tree = ast.parse(source)
    inner = tree.body[0].body[0]
    assert sources_of(parents_of(tree), inner).lengths == ("schedule",)
    assert sources_of(parents_of(tree), inner).times == ("t",)


def test_guards_that_a_property_meets_are_recorded():
    module, source = source_of("ddpm_core.forward_process")
    function = ("forward_process", source[: source.index("def q_sample")].count("\n") + 1)
    with recording(module, "forward_process", source):
        guards.record()
        noised(n=1, t=1000)
        once = set(guards.recorded()[function])
        noised(n=1, t=1000)
        twice = set(guards.recorded()[function])
    assert once == {guards.CALLED, "one sample", "t == T"}
    assert twice == {*once, "second call"}
    assert not hasattr(module, "__met__")


def test_guard_of_the_last_timestep_reads_no_meta_tensor_and_no_missing_timestep():
    schedule = (SHORT,)
    assert guards.holds("t == T", (), (), (None, torch.tensor([3, 1000])), schedule, ())
    assert not guards.holds("t == T", (), (), (None, torch.ones(2, device="meta")), schedule, ())


def test_sample_has_mutants_of_every_kind():
    names = ("forward_process", "guidance", "samplers.ddim")
    found = sample(names, 2 * len(KINDS))
    kinds = [entries_of(name)[i].kind for name, numbers in found.items() for i in numbers]
    assert sorted(kinds) == sorted([*KINDS, *KINDS])


def test_every_module_has_guarded_mutants():
    assert all(map(entries_of, PROPERTIES))


def outcome(killed_by: str | None, kind: str, statement: str) -> Outcome:
    return Outcome("schedules", 1, kind, statement, killed_by, True, listed(kind, statement))


def listed(kind: str, statement: str) -> bool:
    return (kind, statement) in GUARDED["schedules"]


def test_survivors_and_wrongly_listed_mutants_are_reported():
    (equivalent,) = GUARDED["schedules"]
    assert not [*complaints([outcome(None, *equivalent)], ["schedules"])]
    (survivor, unmade) = complaints([outcome(None, "float16", "return 1")], ["schedules"])
    assert survivor == "SURVIVED: schedules, line 1, float16: return 1"
    assert unmade.startswith("LISTED, BUT NO SUCH MUTANT: schedules, cache")
    (killed,) = complaints([outcome("test_x", *equivalent)], ["schedules"])
    assert killed.startswith("LISTED AS EQUIVALENT, BUT KILLED: schedules")


def test_table_counts_by_guard_and_module():
    found = [outcome("test_x", "float16", "a"), outcome(None, "float16", "b")]
    header, _, row, total = table([*found, outcome(None, *next(iter(GUARDED["schedules"])))])
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert (cells["| module"], cells["float16"], cells["all"]) == ("| schedules", "1/2", "1/2")
    assert cells["listed |"] == "1 |"
    assert total == row.replace("schedules", "all")


def test_guarded_mutant_is_killed_by_a_test_that_meets_its_guard_only():
    right = noised(t=5), noised(t=1000)

    def below_the_end():
        assert (noised(t=5) == right[0]).all()

    def at_the_end():
        assert (noised(t=1000) == right[1]).all()

    with inject("forward_process", "t == T", "coef_noise = "):
        assert killer([("below", partial(below_the_end))]) is None
        assert not guards.reached()
        assert killer([("below", partial(below_the_end)), ("end", partial(at_the_end))]) == "end"
