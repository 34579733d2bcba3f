"""Previews: noise, sampler, labels and clipping of samples and held-out images."""

import numpy as np
import pytest
import torch

from ddpm_core import Prediction, Schedule
from ddpm_core.data.space import Pixels
from ddpm_core.training import previews
from ddpm_core.training.previews import preview


def test_noise_of_held_out_images_depends_on_the_timestep_and_not_on_the_step():
    schedule, times = Schedule.cosine(20), (20, 15, 10, 0)
    x_0 = torch.zeros(4, 1, 8, 8)

    def denoiser(x_t, t, cond=None):
        return Prediction(x_t / 2)

    def previewed(step: int):
        return preview(
            denoiser, schedule, x_0, times, step=step, samples=5, steps=4, seed=0, device="cpu"
        )

    record, drawn = previewed(0)
    assert np.array_equal(record.sampled_x_t[-1], drawn[:3])
    # x_0 is 0, so x_t is sigma_t noise; at T it is noise alone.
    sigma = [float(schedule.one_minus_alpha_bar(t).sqrt()) for t in times[:3]]
    noise = [record.heldout_x_t[i] / sigma[i] for i in range(3)]
    for i in range(3):
        assert 0.7 < noise[i].std() < 1.3  # 192 draws
        for j in range(i):
            assert abs(noise[i] - noise[j]).max() > 1
    assert (previewed(7)[0].heldout_x_t == record.heldout_x_t).all()


def test_sampler_is_of_second_order_and_held_out_images_are_spread_with_their_labels(monkeypatch):
    """70 images, of which 64 are measured and three are shown."""
    schedule, labels = Schedule.cosine(20), torch.arange(70) % 10
    conditions, used, real = [], [], previews.generate
    monkeypatch.setattr(previews, "generate", lambda *a, **k: used.append(a[0]) or real(*a, **k))

    def denoiser(x_t, t, cond=None):
        conditions.append(cond)
        return Prediction(torch.zeros_like(x_t))

    images = torch.arange(70.0)[:, None, None, None].expand(70, 1, 4, 4)
    record, _ = preview(
        denoiser, schedule, images, (20, 3, 0), step=0, samples=2, steps=4, seed=0, labels=labels
    )
    assert used[0].order == 2
    assert used[0].times == (20, 15, 10, 5, 3, 0)
    few = torch.arange(64) * 70 // 64
    assert torch.equal(conditions[-1], labels[few])
    shown = few[torch.arange(3) * 64 // 3]
    assert np.array_equal(record.heldout_x_0[:, 0, 0, 0], shown)
    assert np.array_equal(record.heldout_x_t[-1], record.heldout_x_0)
    assert np.array_equal(record.heldout_x0_hat[-1], record.heldout_x_0)


def test_samples_cycle_through_the_classes_and_held_out_images_have_their_own():
    schedule, x_0, labels = Schedule.cosine(20), torch.zeros(4, 1, 8, 8), torch.tensor([7, 2, 2, 5])
    conditions = []

    def denoiser(x_t, t, cond=None):
        conditions.append((len(x_t), None if cond is None else cond.tolist()))
        return Prediction(torch.zeros_like(x_t))

    def previewed(labels):
        conditions.clear()
        preview(
            denoiser, schedule, x_0, (20, 10, 0), step=0, samples=5, steps=4, seed=0, labels=labels
        )
        return {length: cond for length, cond in conditions}

    assert previewed(labels) == {5: [2, 5, 7, 2, 5], 4: [7, 2, 2, 5]}
    assert previewed(None) == {5: None, 4: None}


@pytest.mark.parametrize("clips", [True, False])
def test_predictions_are_clipped_if_the_space_clips(clips):
    class Space(Pixels):
        pass

    Space.clips = clips

    def denoiser(x_t, t, cond=None):
        return Prediction(torch.full_like(x_t, 3.0))

    record, samples = preview(
        denoiser,
        Schedule.cosine(20),
        torch.zeros(4, 1, 4, 4),
        (20, 10, 0),
        step=0,
        samples=2,
        steps=4,
        seed=0,
        space=Space(),
    )
    largest = 1.0 if clips else 3.0
    assert float(samples.max()) == largest
    assert record.sampled_x0_hat[:2].max() == record.heldout_x0_hat[:2].max() == largest
