"""Atomic writes, JSON lines that survive a crash, and the lock of a run directory."""

import json
import os
from pathlib import Path

import pytest

from ddpm_core.storage.files import append_line, file_stem, truncate_lines, write_bytes, write_json
from tests.storage.crash import cut_at, limited, needs_fork


def test_power_cut_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    seen = set()
    for call in range(20):
        path.write_bytes(b"old")
        done = cut_at(call, monkeypatch, lambda: write_bytes(path, b"new and longer"))
        seen.add(path.read_bytes())
        if done:
            break
    assert done
    assert seen == {b"old", b"new and longer"}
    assert path.read_bytes() == b"new and longer"
    assert os.listdir(tmp_path) == ["status.json"]  # leftovers of the interrupted writes are gone


def test_content_is_synced_before_the_rename_and_the_name_before_returning(tmp_path, monkeypatch):
    events = []
    replace, fsync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(os.fstat(fd).st_ino), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b))[1])
    write_bytes(tmp_path / "a", b"x")
    assert events == [(tmp_path / "a").stat().st_ino, "replace", tmp_path.stat().st_ino]


@needs_fork
def test_full_disk_error_names_the_file_and_the_old_content_remains(tmp_path):
    path = tmp_path / "big.bin"
    write_bytes(path, b"old")

    def child() -> bool:
        try:
            write_bytes(path, bytes(100_000))
        except OSError as error:
            return str(error).endswith(f": '{path}'")
        return False

    assert limited(50_000, child)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["big.bin"]


def test_missing_folder_is_created_and_the_umask_applies(tmp_path):
    path = tmp_path / "samples" / "step-000500.png"
    write_bytes(path, b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_equal_values_give_equal_json(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": [0.1, None]})
    write_json(tmp_path / "b", {"a": (0.1, None), "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_text().endswith("}\n")


@pytest.mark.parametrize("write", [write_json, append_line])
def test_nan_is_refused_with_its_location(tmp_path, write):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(
        ValueError, match=r"jsonl: by_decile\[1\]\.mse = nan, but JSON has only finite"
    ):
        write(path, {"step": 1, "by_decile": [0.0, {"mse": float("nan")}]})
    assert not path.exists()


def rows(path: Path, steps: range) -> None:
    for step in steps:
        append_line(path, {"step": step, "loss": 1 / (3 + step)})


@pytest.mark.parametrize("torn", [b"", b'{"step": 3, "lo', b'{"step": 2, "loss": 0.2}', b"\0\0\0"])
def test_resumed_run_rewrites_lost_rows_bit_for_bit(tmp_path, torn):
    unbroken, resumed = tmp_path / "unbroken", tmp_path / "resumed"
    rows(unbroken, range(9))
    rows(resumed, range(7))
    with resumed.open("ab") as file:
        file.write(torn)
    truncate_lines(resumed, 4)
    assert [json.loads(line)["step"] for line in resumed.read_text().splitlines()] == [
        0,
        1,
        2,
        3,
        4,
    ]
    rows(resumed, range(5, 9))
    assert resumed.read_bytes() == unbroken.read_bytes()


def test_missing_file_is_not_an_error_and_is_not_created(tmp_path):
    truncate_lines(tmp_path / "metrics.jsonl", 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("line", [b"junk\n", b'{"loss": 1}\n', b'{"step": "1"}\n', b"[]\n"])
def test_malformed_row_is_reported_and_nothing_is_dropped(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'{"step": 2}\n')
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 2 is not a JSON row with a step"):
        truncate_lines(path, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("letter", ["a", "\N{GREEK SMALL LETTER ALPHA}"])
def test_long_file_names_are_cut_and_stay_different(letter, tmp_path):
    width = len(letter.encode())
    longest = letter * (200 // width)
    assert file_stem(longest) == longest
    cut = {file_stem(longest + more) for more in (letter, letter * 2, letter + "b")}
    assert len(cut) == 3
    for stem in cut:
        assert 200 - width < len(stem.encode()) <= 200
        assert stem.startswith(letter * 80)
        write_bytes(tmp_path / f"{stem}-compare.png", b"")
