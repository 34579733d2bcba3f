"""The training loop: optimizer steps as a generator, and around it logging, previews and saving."""

import sys
import time
from collections.abc import Iterator

from tqdm import tqdm

from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Stop
from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.storage.files import DamagedFile
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.state import NonFiniteError, learning_rate
from ddpm_core.training.task import Task


def training_loop(task: Task, start: int = 0) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (steps done, losses by name) after each optimizer step, up to max_steps.

    start: steps that are done already. Leave the loop whenever you like: the state of training is
    `task.state`. Raises NonFiniteError where a loss or gradient is NaN or Inf.
    """
    for step in range(start, task.config.max_steps):
        yield step + 1, task.step(step)


def train(run: RunDirectory, stop: Stop) -> int:
    """Train to the end or to a signal, say how it ended, and return the exit code."""
    task = run.task
    try:
        _train(run, stop)
    except (NonFiniteError, DamagedFile, OSError) as failure:
        last = latest_checkpoint(run.checkpoints)
        saved = f"The last good checkpoint is {last}" if last else "No checkpoint was saved yet"
        message = f"{failure}. {saved}"
        run.status("failed", message)
        say(f"ddpm_core.{task.command}: {message}", error=True)
        return 1
    if stop.requested is not None and run.step < task.config.max_steps:
        run.status("interrupted", f"{stop.requested.name} at step {run.step}")
        say(f"saved at step {run.step:,}; the same command resumes from here")
        return stop.exit_code
    message = task.conclude(run.path, run.step, run.watermark)
    run.status("done", message)
    run.write_report()
    say(f"{message}\nlook at {run.path / 'report.html'}")
    return 0


def _train(run: RunDirectory, stop: Stop) -> None:
    """Steps until max_steps or until `stop` is requested, then a checkpoint."""
    task, config = run.task, run.task.config
    run.begin()
    if run.step == 0:
        _preview(run)
    seconds, saved = list[float](), run.step or None  # of the steps since the last row
    hidden = not sys.stderr.isatty()
    with tqdm(total=config.max_steps, initial=run.step, unit="step", disable=hidden) as bar:
        steps = iter(()) if stop.requested else training_loop(task, run.step)
        began = time.perf_counter()
        for run.step, losses in steps:
            seconds.append(time.perf_counter() - began)
            for name, loss in losses.items():
                run.losses.setdefault(name, []).append(loss)
            bar.update()
            last = run.step == config.max_steps
            if run.step % config.log_every == 0 or last:
                _log(run, seconds, bar)
            if run.step % config.sample_every == 0 or last:
                _preview(run)
            if run.step % config.save_every == 0 or last:
                run.save()
                saved = run.step
            if stop.requested:
                break
            began = time.perf_counter()
    if saved != run.step:
        run.save()


def _preview(run: RunDirectory) -> None:
    """Preview what was learned, and bring the report up to date."""
    began = time.perf_counter()
    measured = run.task.preview(run.path, run.step, run.watermark)
    run.status("running")
    run.append(measured, {"preview_seconds": time.perf_counter() - began})
    run.write_report()


def _log(run: RunDirectory, seconds: list[float], bar: "tqdm[None]") -> None:
    """Append the mean losses since the last row, and start the next row."""
    config, batch = run.task.config, run.task.config.batch_size
    means = {name: sum(each) / len(each) for name, each in sorted(run.losses.items())}
    speed = len(seconds) * batch / sum(seconds)
    state = {
        "learning_rate": learning_rate(config, run.step - 1),
        "grad_norm": run.task.state.gradient_norm,
    }
    run.append(means | state, {"seconds": sum(seconds), "images_per_second": speed})
    run.losses = {}
    seconds.clear()
    bar.set_postfix(loss=f"{means['loss']:.4f}", refresh=False)
    if bar.disable:
        minutes = (config.max_steps - run.step) * batch / speed / 60
        say(
            f"step {run.step:>6,} of {config.max_steps:,}  loss {means['loss']:.4f}  "
            f"{speed:,.0f} images/s, {minutes:.1f} minutes of steps left"
        )
