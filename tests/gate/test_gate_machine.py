"""Stateful test: after any sequence of actions, training is verified, recorded or refused."""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ddpm_core.gate import certificate
from ddpm_core.gate.authorization import NotVerified, authorize
from ddpm_core.gate.certificate import Project
from ddpm_core.schedules import Schedule
from tests.gate import miniature

SCHEDULE = Schedule.cosine(4)
REASON = "a run that is deleted afterwards"
BOUND = (
    "mini/posterior.py",
    "mini/clock.py",
    "mini/__init__.pyi",
    "mini/figures/style.css",
    "property_tests/test_three.py",
    "property_tests/page.html",
    "derivations/posterior.md",
)
WRONG = miniature.POSTERIOR.replace("SCALE = 0.5", "SCALE = 0.25")
EASY = "def test_mean(): pass\n"  # a different suite, which checks nothing
SKIPPING = "import pytest\n" + miniature.TESTS.replace(
    "def test_half", "@pytest.mark.skip\ndef test_half"
)
XFAIL = miniature.TESTS.replace("== 2.0", "== 3.0").replace(
    "def test_half", "@pytest.mark.xfail\ndef test_half"
)
NARROWER = ["-ktest_mean", "-x", "--lf", "--deselect=nothing", "-pno:warnings"]
NARROWER += ["--ddpm-noise-epoch=1"]


class Gate(RuleBasedStateMachine):
    """Actions of a careless user, and the decisions that the gate must make."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.project = miniature.make(self.root)
        (self.root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=prepend\n")
        self.path = self.root / "verification" / "certificate.json"
        self.versions = "1.0"
        self.certified: dict[str, Any] | None = (
            None  # the bound content when the certificate was written
        )
        self.intact = False
        self.patched = False
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(certificate, "_version", lambda name: self.versions)
        self.patch.setattr(Project, "own", classmethod(lambda cls: self.project))

    def teardown(self) -> None:
        self.patch.undo()
        miniature.forget()
        shutil.rmtree(self.root)

    def snapshot(self) -> dict[str, Any]:
        """Return the content of everything that is bound."""
        texts = {str(each): each.read_text() for each in self.root.rglob("*.*") if self.bound(each)}
        return {**texts, "versions": self.versions}

    def bound(self, file: Path) -> bool:
        inside = file.relative_to(self.root)
        return inside.parts[0] in ("mini", "property_tests", "derivations") and (
            file.suffix in (".py", ".pyi", ".md", ".json", ".html", ".css")
            and inside.as_posix() not in ("mini/figures/report.py", "mini/figures/report.html")
        )

    @rule(name=st.sampled_from(BOUND))
    def edit(self, name: str) -> None:
        with (self.root / name).open("a") as file:
            file.write("\n")

    @rule(text=st.sampled_from([miniature.POSTERIOR, WRONG]))
    def write_posterior(self, text: str) -> None:
        (self.root / "mini/posterior.py").write_text(text)

    @rule(text=st.sampled_from([miniature.TESTS, EASY, SKIPPING, XFAIL]))
    def write_suite(self, text: str) -> None:
        (self.root / "property_tests/test_three.py").write_text(text)

    @rule(name=st.sampled_from([*BOUND, "mini/figures/report.py"]))
    def touch(self, name: str) -> None:
        os.utime(self.root / name, (0, 0))

    @rule()
    def edit_an_exempt_module(self) -> None:
        with (self.root / "mini/figures/report.py").open("a") as file:
            file.write("\n")

    @rule(versions=st.sampled_from(["1.0", "2.0"]))
    def install(self, versions: str) -> None:
        self.versions = versions

    @rule(patched=st.booleans())
    def monkeypatch_a_function(self, patched: bool) -> None:
        self.patched = patched

    @rule()
    def run_the_suite(self) -> None:
        code, output = self.pytest()
        posterior = (self.root / "mini/posterior.py").read_text()
        suite = (self.root / "property_tests/test_three.py").read_text()
        complete = suite.rstrip() == miniature.TESTS.rstrip()
        correct = "SCALE = 0.5" in posterior
        assert (code == 0) == (correct or suite.startswith(EASY))
        if complete and correct:
            self.certified, self.intact = self.snapshot(), True
        elif code:  # a check of this code failed: the certificate is withdrawn
            self.certified = None
        assert self.path.exists() == (self.certified is not None), output

    @rule(word=st.sampled_from(NARROWER))
    def run_part_of_the_suite(self, word: str) -> None:
        before = self.path.read_bytes() if self.path.exists() else None
        code, _ = self.pytest(word)
        after = self.path.read_bytes() if self.path.exists() else None
        assert after in (before, None), f"{word} wrote a certificate"
        if after is None:
            assert code or before is None
            self.certified = None

    def pytest(self, *words: str) -> tuple[int, str]:
        """Run pytest as from the command line, in this process."""
        miniature.forget()
        self.patch.syspath_prepend(str(self.root))
        folder = str(self.root / "verification")
        options = ["-q", "--ddpm-report", folder, "--rootdir", str(self.root)]
        with contextlib.chdir(self.root), contextlib.redirect_stdout(io.StringIO()) as output:
            code = int(pytest.main([*options, str(self.project.suite), *words]))
        miniature.forget()
        assert "INTERNALERROR" not in output.getvalue(), output.getvalue()
        return code, output.getvalue()

    @precondition(lambda self: self.path.exists())
    @rule(how=st.sampled_from(["truncate", "forge", "delete"]))
    def damage_the_certificate(self, how: str) -> None:
        data = self.path.read_bytes()
        self.intact = False
        if how == "truncate":
            self.path.write_bytes(data[: len(data) // 2])
        elif how == "delete":
            self.path.unlink()
            self.certified = None
        else:  # replace the digests by those of the current files
            statement = certificate.read(self.path) if data.endswith(b"}\n") else None
            now = certificate.digests(self.project)
            for each in statement["subject"] if statement else ():
                data = data.replace(each["digest"]["sha256"].encode(), now[each["name"]].encode())
            self.path.write_bytes(data + (b" " if data == self.path.read_bytes() else b""))

    @rule(
        device=st.sampled_from(["cpu", "cuda"]),
        required=st.booleans(),
        unverified=st.sampled_from([None, None, REASON]),
    )
    def train(self, device: str, required: bool, unverified: str | None) -> None:
        module = miniature.load(self.project)  # as in a new process
        if self.patched:
            module.mean = lambda x: x  # type: ignore[attr-defined]
        fresh = self.intact and self.certified == self.snapshot() and not self.patched
        found, refusal = None, ""
        try:
            found = authorize(
                SCHEDULE,
                device,
                path=self.path,
                required=required,
                unverified=unverified,
                project=self.project,
            )
        except (NotVerified, ValueError) as error:
            refusal = f"{type(error).__name__}: {error}"
        finally:
            miniature.forget()
        if refusal.startswith("ValueError"):  # authorized, but the device is not available here
            assert "this machine has only the CPU" in refusal
            assert device == "cuda"
            assert fresh or unverified == REASON
        elif refusal:
            assert refusal.startswith(f"NotVerified: not verified for {device}: ")
            assert not fresh
            assert unverified is None
            assert required or device == "cuda"
        else:
            assert found is not None
            assert device == "cpu"
            otherwise = "UNVERIFIED" if unverified else "not verified"
            assert found.state == ("verified" if fresh else otherwise)
            assert (found.mismatch is None) == fresh
            assert found.reason == (REASON if found.state == "UNVERIFIED" else "")
            assert fresh or unverified or not required

    @invariant()
    def miniature_is_not_left_in_this_process(self) -> None:
        import sys

        assert "mini.posterior" not in sys.modules


TestGate = pytest.mark.slow(Gate.TestCase)
TestGate.settings = settings(
    max_examples=25,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
