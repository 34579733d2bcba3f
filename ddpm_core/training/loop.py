"""A training run: optimizer steps as a generator, around it logging, previews and saving."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from signal import SIGINT

from tqdm import tqdm

from ddpm_core.cli.options import usage_error
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Stop
from ddpm_core.gate.authorization import NotVerified
from ddpm_core.storage.run_lock import RunLocked, check_writable, run_lock
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.state import learning_rate
from ddpm_core.training.task import Task


def training_loop(task: Task, start: int = 0) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (steps done, losses by name) after each optimizer step, up to max_steps.

    start: steps that are done already. Leave the loop whenever you like: the state of training is
    `task.state`. Raises NonFiniteError where a loss or gradient is NaN or Inf.
    """
    for step in range(start, task.config.max_steps):
        yield step + 1, task.step(step)


def train(command: str, prepare: Callable[[], Task], stop: Stop) -> int:
    """Prepare a task, train it to the end or to a signal, and return the exit code.

    0 done, 1 failed, 2 usage, 3 not verified, 128 + n stopped by signal n.
    """
    try:
        with ExitStack() as stack:
            try:
                task = prepare()
                run, note = RunDirectory(task), None
                if task.config.dry_run:
                    check_writable(run.path)
                else:
                    note = run.note_killed(stack.enter_context(run_lock(run.path)))
                if note:
                    say(note, error=True)
                run.resume()
            except NotVerified as refusal:
                print(f"ddpm_core.{command}: {refusal}", file=sys.stderr)
                return 3
            except (ValueError, TypeError, OSError, RunLocked) as error:
                usage_error(command, str(error))
            return _ended(command, run, stop)
    except KeyboardInterrupt:  # the second signal, or one before the first was handled
        say(f"ddpm_core.{command}: stopped at once; the same command resumes", error=True)
        return stop.exit_code or 128 + SIGINT


def _ended(command: str, run: RunDirectory, stop: Stop) -> int:
    """Train to the end, a signal or a failure: one sentence, a true status, an exit code."""
    task, config = run.task, run.task.config
    if config.dry_run:
        say(f"{plan(run)}\ndry run: everything is in order, and nothing was written")
        return 0
    if run.is_done():
        suffix = f", {run.watermark}" if run.watermark else ""
        say(f"finished{suffix}: see {run.path}/report.html; another --out-dir starts afresh")
        return 0
    say(plan(run))
    try:
        _train(run, stop)
        stopped = stop.requested if run.step < config.max_steps else None
        if stopped is None:
            message = task.conclude(run.path, run.step, run.watermark)
        else:
            message = f"saved at step {run.step:,}; the same command resumes from here"
        state = "done" if stopped is None else "interrupted"
        run.status(state, message if stopped is None else f"{stopped.name} at step {run.step}")
    except Exception as error:  # of any type: what was learned is saved, and the status is true
        say(f"ddpm_core.{command}: {run.fail(error)}", error=True)
        return 1
    except KeyboardInterrupt:
        run.status("interrupted", f"stopped at once, at step {run.step}")
        raise
    with run.optional("report"):
        run.write_report()
    for warning in dict.fromkeys(run.warnings):
        say(warning, error=True)
    say(message if stopped else f"{message}\nlook at {run.path / 'report.html'}")
    return stop.exit_code if stopped else 0


def plan(run: RunDirectory) -> str:
    """Describe what is about to happen."""
    task, config, images = run.task, run.task.config, run.task.images
    real = images.images.is_floating_point()
    values = "continuous-valued" if real else f"{images.grey_levels} grey levels"
    lines = [
        f"{images.name}: {len(images.train):,} training, {len(images.validation):,} validation and "
        f"{len(images.test):,} test images of shape {images.shape}, {values}",
        *images.reading.remarks,
        *(each for each in run.data_changes if each not in images.reading.warnings),
        task.describe(),
        f"{'resuming at' if run.step else 'from'} step {run.step:,} of {config.max_steps:,}, "
        f"{config.batch_size} images each, on {task.authorization.device} in {config.dtype}, "
        f"logged every {config.log_every}, to {run.path}",
        str(task.authorization),
    ]
    if config.warmup_steps > config.max_steps:
        lines.append(
            f"NOTE: the learning rate warms up over {config.warmup_steps:,} steps; lower "
            "--warmup-steps to reach its peak"
        )
    return "\n".join(lines)


def _train(run: RunDirectory, stop: Stop) -> None:
    """Steps until max_steps or until `stop` is requested, then a checkpoint."""
    task, config = run.task, run.task.config
    run.begin()
    if run.lacks_preview():  # before the first step, or because the run ended while it was drawn
        _preview(run)
    seconds = list[float]()  # of the steps since the last row
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
            preview = last or run.step % config.sample_every == 0
            if last or run.step % config.log_every == 0:
                _log(run, seconds, bar)
            if preview or run.step % config.save_every == 0:
                run.save()  # before the preview, which takes longer and may fail
            if preview:
                _preview(run)
            if stop.requested:
                break
            began = time.perf_counter()
    if run.saved != run.step:
        run.save()


def _preview(run: RunDirectory) -> None:
    """Preview what was learned, and bring the report up to date; neither can end the run."""
    began, measured = time.perf_counter(), dict[str, object]()
    with run.optional("preview"):
        measured = run.task.preview(run.path, run.step, run.watermark)
    run.status("running")
    if measured:
        run.append(measured, {"preview_seconds": time.perf_counter() - began})
    with run.optional("report"):
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
