"""What is told of a test that takes its worker along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crashes import file_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", ("it ended by SIGSEGV", "Segmentation fault", "line 4 in dies")),
        ("os.kill(os.getpid(), signal.SIGKILL)", ("it ended by SIGKILL", "it wrote nothing to stderr")),
        ("time.sleep(60)", ("it ended with status 1", "Timeout (0:00:01)!", "line 4 in dies")),
        ("os._exit(3)", ("it ended with status 3", "it wrote nothing to stderr")),
    ],
)
def test_how_a_worker_died_is_told(tmp_path: Path, what: str, told: tuple[str, ...]) -> None:
    case = tmp_path / "test_case.py"
    _ = case.write_text(f"import os, signal, time\n\ndef dies():\n    {what}\n\ndef test_it():\n    dies()\n")
    options = ["-p", "tests.crashes", "-n", "1", "-o", "faulthandler_timeout=1", "-o", "faulthandler_exit_on_timeout=1"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--max-worker-restart=0", "--rootdir", tmp_path, case],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    for line in told:
        assert line in done.stdout, done.stdout + done.stderr


def test_nothing_is_left_of_a_worker_that_ended_well(tmp_path: Path) -> None:
    case = tmp_path / "test_case.py"
    _ = case.write_text("def test_it():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.crashes", "-n", "1", "--rootdir", tmp_path, case],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert not [*tmp_path.glob(file_of("*", "*").name)]
