"""Functions that were compiled from another text than that of their file are detected."""

import functools
import os
import py_compile

from ddpm_core.gate import live
from ddpm_core.gate.bytecode import stale
from tests.gate import miniature


def test_stale_bytecode_is_detected(project, path):
    """If a file changes but not its size and time, Python runs the cached bytecode."""
    file = project.package / "posterior.py"
    text, times = file.read_text(), (0, 10**18)
    os.utime(file, ns=times)
    py_compile.compile(str(file))
    file.write_text(text.replace("SCALE * x", "SCALE + x"))
    os.utime(file, ns=times)
    module = miniature.load(project)
    assert module.mean(4.0) == 2.0  # the previous content
    assert stale(project) == "mini.posterior:mean was loaded from stale bytecode of posterior.py"
    assert "mini.posterior:mean in memory differs" in str(live.mismatch(project))


def test_current_bytecode_is_accepted(project):
    module = miniature.load(project)
    assert stale(project) is None
    module.third = functools.wraps(module.third)(lambda x: x)  # as a type checker does
    assert stale(project) is None
    del module.third
    assert "mini.posterior:third was loaded from stale bytecode" in str(stale(project))


def test_function_is_compared_by_its_inner_functions(project):
    """A type checker decorates them, which changes only the code around them."""
    module = miniature.load(project)
    text = (project.package / "posterior.py").read_text()

    def recompiled(old: str, new: str) -> None:
        code = compile(text.replace(old, new), "posterior.py", "exec")
        functions = {each.co_name: each for each in live.codes_in(code)}
        module.outer.__code__ = functions["outer"]

    recompiled("return inner(x)", "return (inner)(x + 0)")
    assert stale(project) is None
    recompiled("return y * SCALE", "return y + SCALE")
    assert "mini.posterior:outer was loaded from stale bytecode" in str(stale(project))
