"""The key of all noise: a digest of the library, the suite and the adapter."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any


def digest_for(adapter: Any, name: str | None = None) -> str:
    """Return the digest for an adapter, which --ddpm-impl may have named."""
    library = importlib.util.find_spec("ddpm_core")
    assert library is not None
    assert library.origin is not None
    folders = Path(__file__).parent.parent, Path(library.origin).parent
    files = [file for folder in folders for file in folder.rglob("*.py")]
    return digest([*files, *files_of(adapter, name)])


def files_of(adapter: Any, name: str | None) -> list[Path]:
    """Return the file of the adapter's class, and of the module that --ddpm-impl names.

    The class of an instance may be one of Python's own, such as SimpleNamespace.
    """
    modules = [type(adapter).__module__, *([] if name is None else [name.partition(":")[0]])]
    found = [getattr(sys.modules.get(module), "__file__", None) for module in modules]
    return [Path(file) for file in found if file is not None]


def digest(files: list[Path]) -> str:
    """Return the SHA-256 of the names and bytes of the files, independent of their folders."""
    sha = hashlib.sha256()
    for path in sorted(set(files), key=lambda each: (each.name, each.read_bytes())):
        sha.update(f"{path.name} {path.stat().st_size} ".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()
