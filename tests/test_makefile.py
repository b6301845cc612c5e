"""``make`` after a failure."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
# As Debian's Python without python3-venv: the environment has an interpreter when it fails.
_PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" "$3/bin/python"
echo "ensurepip is not available"
exit 1
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_an_environment_that_failed_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    python, home = tmp_path / "python", tmp_path / "venv"
    python.write_text(_PYTHON)
    python.chmod(0o755)
    command = ["make", "--no-print-directory", f"PYTHON={python}", f"VENV={home}", f"{home}/bin/python"]
    for _ in range(2):
        result = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode != 0
        assert "sudo apt install python3-venv" in result.stderr
        assert not home.exists()
