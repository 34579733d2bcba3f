"""Available memory: of the machine, and of the limit of a container."""

import pytest

from ddpm_core.evaluation import memory


@pytest.fixture
def system(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_this_machine_has_memory():
    assert memory.available_memory() > 2**20


def test_the_smaller_of_machine_and_container_counts(system):
    (system / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4 kB\n")
    assert memory.available_memory() == 4096
    (system / "memory.current").write_text("1000\n")
    for limit, found in (("max", 4096), ("3000", 2000), ("90000", 4096)):
        (system / "memory.max").write_text(f"{limit}\n")
        assert memory.available_memory() == found


def test_without_meminfo_the_memory_of_the_machine_counts_or_nothing_is_known(system, monkeypatch):
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 9}.__getitem__)
    assert memory.available_memory() == 27
    monkeypatch.delattr(memory.os, "sysconf")  # as on Windows
    assert memory.available_memory() is None
