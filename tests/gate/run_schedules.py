"""Valid schedules of runs, ordinary and extreme, for the gate's checks of schedule and device."""

from ddpm_core.schedules import Schedule

SCHEDULES = {
    "linear": Schedule.linear(1000),
    "shortest": Schedule.cosine(1),
    "steep": Schedule.from_betas([0.1, 0.5, 0.3, 0.8]),
    "degenerate": Schedule.from_betas([2.0**-40, 1 - 2.0**-20, 2.0**-40, 0.5]),
    "zero terminal SNR": Schedule.linear(1000).with_zero_terminal_snr(),
}
