"""A page with two symbols and one equation, for tests that inject an error."""

from pathlib import Path

from derivations.checker import pages

HEAD = """# A page

| Symbol | Is | Meaning |
|---|---|---|
| $`y`$ | real | a number |
| $`f(y)`$ | function | of it |

"""
SECTION = """### bad.one

```math
f(y) = y^2
\\tag{bad.one}
```

| | |
|---|---|
| Assumes | nothing |
| Uses | definition |
| Code | - |
| Checked by | proof |
| Source | here |
"""


def read(folder: Path, text: str) -> pages.Page:
    """Write the text to bad.md and parse it."""
    path = folder / "bad.md"
    path.write_text(text)
    return pages.read(path, {})
