"""Denoisers made of a network and its parameterization, and clipping."""

import pytest
import torch

from ddpm_core._types import PARAMETERIZATIONS, Prediction
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.forward_process import q_sample
from ddpm_core.losses import prediction_target
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
TIMESTEPS = torch.tensor([1, 2, 3, 4])
X_0, NOISE = torch.randn(
    2, 4, 4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_a_perfect_network_gives_x_0(name):
    """x_0 = x_t / scale - sigma / scale noise, whose terms are below (4 + 4) (|x_0| + |noise|).

    Target, x_t and conversion are each within 8 u kappa of their terms, kappa < 4: 3 times 32 u.
    """
    x_t = q_sample(STEEP, X_0, TIMESTEPS, NOISE)
    truth = prediction_target(STEEP, name, X_0, NOISE, TIMESTEPS)
    denoiser = NetworkDenoiser(STEEP, lambda x, t: truth, name)
    size = X_0.abs() + NOISE.abs()
    error = (denoiser(x_t, TIMESTEPS).x0_hat - X_0).abs()
    assert (error <= 3 * 32 * 2.0**-53 * (4 + 4) * size).all()


def test_network_receives_int64_timesteps_and_cond_only_if_given():
    seen = []

    def network(*arguments):
        seen.append(arguments)
        return arguments[0] * 0

    denoiser, labels = NetworkDenoiser(STEEP, network), torch.tensor([7, 8, 9, 9])
    denoiser(X_0, 3)
    denoiser(X_0, TIMESTEPS, labels)
    (x, t), (_, times, cond) = seen
    assert torch.equal(x, X_0)
    assert t.dtype == torch.int64
    assert t.tolist() == [3, 3, 3, 3]
    assert torch.equal(times, TIMESTEPS)
    assert torch.equal(cond, labels)


def test_an_int_timestep_equals_a_tensor_of_it_bitwise():
    denoiser = NetworkDenoiser(STEEP, lambda x, t: x * t.reshape(-1, 1, 1, 1), "v")
    one, all_of_them = denoiser(X_0, 2), denoiser(X_0, torch.full((4,), 2))
    assert torch.equal(one.x0_hat, all_of_them.x0_hat)


def test_output_is_cast_to_the_dtype_of_the_data():
    """Under autocast the network returns bfloat16; x0_hat has the dtype of x_t."""
    denoiser = NetworkDenoiser(STEEP, lambda x, t: x.to(torch.bfloat16), "x0")
    prediction = denoiser(X_0.float(), 2)
    assert prediction.x0_hat.dtype == torch.float32
    assert torch.equal(prediction.x0_hat, X_0.to(torch.bfloat16).float())


def test_network_gets_the_dtype_of_its_parameters():
    """A network in bfloat16 stands beside a state in float32; without parameters it gets x_t."""
    network = torch.nn.Conv2d(4, 4, 1).bfloat16()
    denoiser = NetworkDenoiser(STEEP, Ignoring(network), "x0")
    assert denoiser(X_0.float(), 2).x0_hat.dtype == torch.float32
    with torch.no_grad():
        want = network(X_0.bfloat16()).float()
    assert torch.equal(denoiser(X_0.float(), 2).x0_hat, want)


class Ignoring(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, t):
        assert x.dtype == torch.bfloat16
        return self.inner(x)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_quantized_weights_do_not_choose_the_dtype_of_x_t(dtype):
    network = torch.nn.Conv2d(4, 4, 1).bfloat16()
    quantized = Ignoring(network)
    quantized.scale = torch.nn.Parameter(torch.ones(1).to(dtype), requires_grad=False)
    assert next(quantized.parameters()).dtype == dtype
    assert NetworkDenoiser(STEEP, quantized, "x0")(X_0.float(), 2).x0_hat.dtype == torch.float32


@pytest.mark.parametrize("times", [3, TIMESTEPS, TIMESTEPS.to("meta")], ids=["int", "cpu", "meta"])
def test_timesteps_are_moved_to_the_device_of_the_data(times):
    def network(x, t):
        assert t.device == x.device
        return x

    x_t = torch.zeros(4, 4, device="meta")
    assert NetworkDenoiser(STEEP, network)(x_t, times).x0_hat.device.type == "meta"


@pytest.mark.parametrize("t", [0, 5, torch.tensor([1, 2, 3, 0])])
def test_timesteps_outside_1_to_T_are_refused(t):
    with pytest.raises(ValueError, match=r"is outside 1\.\.4"):
        NetworkDenoiser(STEEP, lambda x, t: x)(X_0, t)


def test_eps_at_zero_snr_is_refused_and_v_is_accepted():
    schedule = STEEP.with_zero_terminal_snr()
    with pytest.raises(ValueError, match="eps -> x0 does not exist at t = 4, where the SNR is 0"):
        NetworkDenoiser(schedule, lambda x, t: x)(X_0, 4)
    denoiser = NetworkDenoiser(schedule, lambda x, t: NOISE, "v")
    assert torch.equal(denoiser(X_0, 4).x0_hat, -NOISE)


def test_an_unknown_parameterization_is_refused_at_construction(unchecked):
    with pytest.raises(
        ValueError, match="parameterization = 'noise' is unknown; it must be one of"
    ):
        NetworkDenoiser(STEEP, lambda x, t: x, "noise")


def test_an_output_of_another_shape_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"returned shape \(4, 1, 4, 4\) on cpu for x_t"):
        NetworkDenoiser(STEEP, lambda x, t: x[:, :1])(X_0, 2)


def test_clipping_changes_only_values_out_of_range():
    output = torch.tensor([[-2.0, -1.0, -0.25], [0.25, 1.0, 3.0]])
    labels = torch.tensor([0, 1])

    def inner(x_t, t, cond=None):
        assert t == 2
        assert torch.equal(cond, labels)
        return Prediction(output)

    clipped = ClipX0(inner)(output * 0, 2, labels).x0_hat
    assert torch.equal(clipped, torch.tensor([[-1.0, -1.0, -0.25], [0.25, 1.0, 1.0]]))
    clipped = ClipX0(inner, low=0.0, high=2.0)(output * 0, 2, labels).x0_hat
    assert torch.equal(clipped, torch.tensor([[0.0, 0.0, 0.0], [0.25, 1.0, 2.0]]))


def test_clipping_to_an_empty_range_is_refused():
    with pytest.raises(ValueError, match=r"low = 1\.0, high = -1\.0"):
        ClipX0(lambda x_t, t, cond=None: None, 1.0, -1.0)


class Sample:
    """An output as diffusers returns it."""

    def __init__(self, sample):
        self.sample = sample


@pytest.mark.parametrize(
    "output",
    [Sample, lambda x: (x,), lambda x: [x], lambda x: {"sample": x}],
    ids=["object", "tuple", "list", "mapping"],
)
def test_common_kinds_of_output_are_accepted(output):
    want = NetworkDenoiser(STEEP, lambda x, t: x / 2)(X_0, TIMESTEPS).x0_hat
    got = NetworkDenoiser(STEEP, lambda x, t: output(x / 2))(X_0, TIMESTEPS).x0_hat
    assert torch.equal(got, want)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (lambda x: (x, x), "returned a tuple; it must return one floating-point tensor"),
        (lambda x: {"eps": x}, "returned a dict"),
        (lambda x: None, "returned a NoneType"),
        (lambda x: x.numpy(), "returned a ndarray"),
        (lambda x: x.long(), r"returned a torch\.int64 tensor"),
        (lambda x: Sample(None), "returned a Sample"),
    ],
)
def test_other_outputs_are_refused_by_their_type(output, says):
    with pytest.raises(TypeError, match=says):
        NetworkDenoiser(STEEP, lambda x, t: output(x))(X_0, TIMESTEPS)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (lambda x: torch.cat([x, x], 1), "pass learns_variance=True"),
        (lambda x: x[:1], r"returned shape \(1, 4, 4, 4\)"),
        (lambda x: x.mean(1, keepdim=True), r"it must be \(4, 4, 4, 4\) on cpu$"),
        (lambda x: x.to("meta"), "on meta"),
    ],
)
def test_other_shapes_and_devices_are_refused(output, says):
    with pytest.raises(ValueError, match=says):
        NetworkDenoiser(STEEP, lambda x, t: output(x))(X_0, TIMESTEPS)


def test_learned_variance_needs_twice_the_channels():
    with pytest.raises(ValueError, match=r"it must be \(4, 8, 4, 4\)"):
        NetworkDenoiser(STEEP, lambda x, t: x, learns_variance=True)(X_0, TIMESTEPS)


@pytest.mark.parametrize(
    ("clock", "dtype", "times"),
    [
        ("timestep", torch.int64, [1, 2, 3, 4]),
        ("from_zero", torch.int64, [0, 1, 2, 3]),
        ("float", torch.float64, [1, 2, 3, 4]),
        ("fraction", torch.float64, [0.25, 0.5, 0.75, 1]),
    ],
)
def test_network_gets_its_timesteps_on_its_clock(clock, dtype, times):
    seen = []

    def network(x, t):
        seen.append(t)
        return x

    NetworkDenoiser(STEEP, network, clock=clock)(X_0, TIMESTEPS)
    NetworkDenoiser(STEEP, network, clock=clock)(X_0.bfloat16(), 2)
    assert (seen[0].dtype, seen[0].tolist()) == (dtype, times)
    assert seen[1].dtype == (dtype if dtype == torch.int64 else torch.float32)
    assert seen[1].tolist() == [times[1]] * 4


def test_unknown_clocks_are_refused(unchecked):
    with pytest.raises(ValueError, match="clock = 'seconds' is unknown"):
        NetworkDenoiser(STEEP, lambda x, t: x, clock="seconds")


def test_labels_have_the_keyword_of_the_network():
    def network(x, t, *, class_labels=None):
        return x if class_labels is None else x * class_labels.reshape(-1, 1, 1, 1)

    denoiser = NetworkDenoiser(STEEP, network, "x0", label_name="class_labels")
    labels = torch.tensor([1, 2, 3, 4])
    assert torch.equal(denoiser(X_0, 2, labels).x0_hat, X_0 * labels.reshape(-1, 1, 1, 1))
    assert torch.equal(denoiser(X_0, 2).x0_hat, X_0)
