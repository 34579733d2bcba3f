"""Gaussian paths: refusals, dtypes, and a flow-matching network in the sampling loop."""

import pytest
import torch

from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.gaussian_path import PATH_PARAMETERIZATIONS, GaussianPath, PathDenoiser
from ddpm_core.samplers.base import sampling_loop
from ddpm_core.samplers.ddim import DDIM

STRAIGHT = GaussianPath.straight([0.125, 0.5, 1.0])
EDM = GaussianPath.ve([0.002, 0.5, 80.0])


def tables(**changed):
    """Return the tables of a straight path, with some of them changed."""
    plain = {
        "times": [0.0, 0.5, 0.75],
        "alpha": [1.0, 0.5, 0.25],
        "sigma": [0.0, 0.5, 0.75],
        "alpha_dot": [-1.0, -1.0, -1.0],
        "sigma_dot": [1.0, 1.0, 1.0],
    }
    return {
        name: torch.tensor(each, dtype=torch.float64) for name, each in (plain | changed).items()
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"alpha": [1.0, 0.5]}, r"alpha has dtype torch.float64 and shape \(2,\)"),
        ({"alpha": [0.5, 0.5, 0.25]}, "begins with data"),
        ({"sigma": [0.1, 0.5, 0.75]}, "begins with data"),
        ({"alpha": [1.0, 0.5, -0.25]}, r"times\[2\] = 0.75 has alpha = -0.25"),
        ({"alpha": [1.0, float("nan"), 0.25]}, r"times\[1\] = 0.5 has alpha = nan"),
        ({"sigma": [0.0, 0.5, float("inf")]}, "a finite sigma > 0"),
        ({"sigma": [0.0, 0.5, 0.25]}, "sigma / alpha of a path must increase"),
        ({"alpha_dot": [0.0, 0.0, -1.0], "sigma_dot": [1.0, 0.0, 1.0]}, "change alpha / sigma"),
        ({"alpha_dot": [0.0, -1.0, float("inf")]}, "change alpha / sigma"),
    ],
)
def test_tables_that_are_no_path_are_refused(unchecked, changed, says):
    with pytest.raises(ValueError, match=says):
        GaussianPath(**tables(**changed))


def test_tables_must_be_float64(unchecked):
    with pytest.raises(ValueError, match=r"sigma has dtype torch\.float32"):
        GaussianPath(**tables() | {"sigma": torch.tensor([0.0, 0.5, 0.75])})


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([], r"shape \(0,\)"),
        ([[0.5]], r"shape \(1, 1\)"),
        ([0.5, 0.5], r"times\[1\] = 0.5 \(t = 2\) is not above 0.5"),
        ([0.0, 0.5], r"times\[0\] = 0 \(t = 1\) is not above 0"),
        ([0.5, 1.5], r"times\[2\] = 1.5 has alpha = -0.5"),
        ([float("nan")], r"times\[0\] = nan"),
    ],
)
def test_times_increase_from_data(unchecked, times, says):
    with pytest.raises(ValueError, match=says):
        GaussianPath.straight(times)


def test_noise_of_an_exploding_path_is_finite():
    with pytest.raises(ValueError, match="inf"):
        GaussianPath.ve([1.0, float("inf")])


@pytest.mark.parametrize("ends", [(2.0, 1.0), (0.0, 0.0), (-1.0, 1.0), (0.1, float("inf"))])
def test_rates_of_the_preserving_path_are_refused(ends):
    with pytest.raises(ValueError, match="beta_min"):
        GaussianPath.vp([0.5], *ends)


def test_unknown_predictions_are_refused(unchecked):
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="parameterization = 'flow' is unknown"):
        PathDenoiser(STRAIGHT, lambda x, tau: x, "flow")
    with pytest.raises(ValueError, match="source = 'flow' is unknown"):
        STRAIGHT.convert("flow", "x0", x, x, 1)
    with pytest.raises(ValueError, match="target = 'flow' is unknown"):
        STRAIGHT.convert("x0", "flow", x, x, 1)
    with pytest.raises(ValueError, match="parameterization = 'flow' is unknown"):
        STRAIGHT.target("flow", x, x, 1)


@pytest.mark.parametrize("t", [0, 4, torch.tensor([1, 4])])
def test_timesteps_outside_the_path_are_refused(t):
    x = torch.zeros(2, 3)
    for call in (
        lambda: STRAIGHT.convert("velocity", "x0", x, x, t),
        lambda: STRAIGHT.target("velocity", x, x, t),
        lambda: PathDenoiser(STRAIGHT, lambda x, tau: x)(x, t),
    ):
        with pytest.raises(ValueError, match=r"outside 1\.\.3"):
            call()


def test_an_output_of_another_shape_is_refused(unchecked):
    denoiser = PathDenoiser(STRAIGHT, lambda x, tau: x[:, :1])
    with pytest.raises(ValueError, match=r"returned shape \(2, 1\)"):
        denoiser(torch.zeros(2, 3), 1)


def test_path_keeps_its_tables():
    """What the caller does to a table afterwards does not change the path."""
    given = tables()
    path = GaussianPath(**given)
    for table in given.values():
        table.fill_(7.0)
    assert path.alpha.tolist() == [1.0, 0.5, 0.25]


def test_network_gets_its_dtype_and_real_times():
    """x in the dtype of its weights, times in float32 or float64; x0_hat in the state's dtype."""
    seen = []

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))

        def forward(self, x, tau, labels):
            seen.append((x.dtype, tau, labels))
            return x

    labels = torch.tensor([3, 4])
    for dtype, of_times in ((torch.float32,) * 2, (torch.bfloat16, torch.float32)):
        found = PathDenoiser(EDM, Network())(torch.ones(2, 3, dtype=dtype), 2, labels)
        assert found.x0_hat.dtype == dtype
        x_dtype, tau, cond = seen.pop()
        assert (x_dtype, tau.dtype, tau.tolist()) == (torch.bfloat16, of_times, [0.5, 0.5])
        assert torch.equal(cond, labels)


def test_half_precision_is_rounded_once():
    """The sample of a unit of 80 is not rounded before the network's output is subtracted."""
    x_t, data = torch.full((1, 2), 1.0, dtype=torch.bfloat16), torch.tensor([[0.25, -0.5]])

    def velocity(x, tau):
        return (x - data.to(x)) / 80

    found = PathDenoiser(EDM, velocity)(x_t, 3).x0_hat
    assert found.tolist() == data.tolist()


@pytest.mark.parametrize("name", PATH_PARAMETERIZATIONS)
def test_perfect_network_of_a_path_samples_its_data(name):
    """Whatever it predicts, the sampling loop of the process ends at the data."""
    data = torch.tensor([[0.5, -1.25], [2.0, 0.25]], dtype=torch.float64)

    def network(x, tau):
        t = int((EDM.times == tau[0]).nonzero())
        noise = (x - data) / EDM.sigma[t]
        return EDM.target(name, data, noise, t)

    x_T = EDM.to_process(EDM.sample(data, 3, torch.ones_like(data)), 3)
    *_, last = sampling_loop(
        DDIM(EDM.schedule), PathDenoiser(EDM, network, name), x_T, torch.zeros_like
    )
    assert (last.x_t - data).abs().max() < 1e-9  # 80 times the noise, 1 / 0.002 in the score


def test_preserving_path_is_a_process_of_its_own():
    """On a path of unit 1 a denoiser is the one of its schedule."""
    path = GaussianPath.vp([0.25, 0.5, 1.0])
    x_t = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    on_path = PathDenoiser(path, lambda x, tau: x / 2, "eps")(x_t, 2).x0_hat
    on_process = NetworkDenoiser(path.schedule, lambda x, t: x / 2, "eps")(x_t, 2).x0_hat
    assert (on_path - on_process).abs().max() < 1e-14
