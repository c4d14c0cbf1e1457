"""The repository as the architecture tests see it: its files, and the modules of its packages."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("idp", "siem", "vocabulary")


@cache
def files() -> tuple[str, ...]:
    """Every file that is or could be committed, as a path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file()))


def python_files(*folders: str) -> list[str]:
    """Those of them in Python under ``folders``."""
    return [path for path in files() if path.endswith(".py") and path.startswith(tuple(f"{folder}/" for folder in folders))]


def text(path: str) -> str | None:
    """The content, or None where the file is not text."""
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return None


@cache
def syntax(path: str) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse((ROOT / path).read_text("utf-8"), path)
