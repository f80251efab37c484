"""A server's process ends when ours does, whatever happens, and takes its folder along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from crossfade.local.errors import LocalServerError
from crossfade.local.watched import Watched, free_ports, with_free_ports
from tests.local.processes import SOON_SECONDS, alive, gone_soon

SLEEPS: Final = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN: Final = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def up(process: Watched) -> Watched:
    process.wait_until(lambda: "up" in process.said, SOON_SECONDS)
    return process


def test_the_end_of_the_block_ends_it() -> None:
    """A process that runs is stopped at the end of the `with` block, and stopping it again does nothing."""
    with up(Watched("sleeper", SLEEPS)) as process:
        assert alive(process.process_id)
    assert not process.running
    assert not alive(process.process_id)
    process.stop()


def test_one_that_does_not_listen_is_killed_after_the_grace() -> None:
    """A process that ignores SIGTERM is killed once the grace is over."""
    process = up(Watched("stubborn", STUBBORN, grace_seconds=0.3))
    started = time.monotonic()
    process.stop()
    assert 0.3 <= time.monotonic() - started < SOON_SECONDS
    assert not alive(process.process_id)


def test_kill_does_not_wait_for_the_grace() -> None:
    """A killed process is gone at once, as after a crash."""
    process = up(Watched("stubborn", STUBBORN, grace_seconds=60))
    process.kill()
    assert not alive(process.process_id)
    assert not process.running


def test_one_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    """A program that is not there is an error with the system's reason, not a process that ended."""
    with pytest.raises(LocalServerError, match=r"nothing cannot be run: .*No such file"):
        _ = Watched("nothing", [tmp_path / "nothing"])


def test_one_that_ends_by_itself_is_told_with_its_last_words() -> None:
    """Waiting for a process that ended raises with what it said."""
    process = Watched("short", [sys.executable, "-c", "print('no room'); raise SystemExit(3)"])
    with pytest.raises(LocalServerError, match=r"(?s)short ended by itself.*no room"):
        process.wait_until(lambda: False)
    process.stop()


def test_one_that_is_slow_is_told_too() -> None:
    """Waiting has a limit, and the error has a next step."""
    with Watched("sleeper", SLEEPS) as process, pytest.raises(LocalServerError, match="next: "):
        process.wait_until(lambda: False, 0.1)


OWNER: Final = """
import sys, time
from pathlib import Path
from crossfade.local.watched import Watched
process = Watched("sleeper", sys.argv[2:], remove=Path(sys.argv[1]))
process.wait_until(lambda: "up" in process.said)
print(process.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_when_we_are_killed(tmp_path: Path, number: signal.Signals) -> None:
    """A process whose owner was killed ends, and its private folder is removed."""
    folder = tmp_path / "private"
    folder.mkdir()
    _ = (folder / "data").write_text("rows")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, folder, *SLEEPS], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    server = int(owner.stdout.readline())
    assert alive(server)
    owner.send_signal(number)
    _ = owner.wait(SOON_SECONDS)
    assert gone_soon(server)
    until = time.monotonic() + SOON_SECONDS
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not folder.exists()
    owner.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the system has nothing of the kind")
def test_it_goes_when_the_watcher_is_killed() -> None:
    """On Linux even the death of the process between us ends the server."""
    process = up(Watched("sleeper", SLEEPS))
    stat = Path(f"/proc/{process.process_id}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert gone_soon(process.process_id)
    process.stop()


def test_a_forked_child_does_not_keep_it_alive() -> None:
    """A child forked from us, which lives on, does not hold the pipe that keeps the server alive."""
    process = up(Watched("sleeper", SLEEPS))
    child = os.fork()
    if child == 0:
        time.sleep(SOON_SECONDS * 2)
        os._exit(0)
    try:
        started = time.monotonic()
        process.stop()
        assert not alive(process.process_id)
        assert time.monotonic() - started < SOON_SECONDS / 2
    finally:
        os.kill(child, signal.SIGKILL)
        _ = os.waitpid(child, 0)


def test_free_ports_are_different() -> None:
    """Ports asked for together are never the same one twice."""
    assert len(set(free_ports(20))) == 20


def test_its_folder_goes_with_it_but_not_when_it_is_killed(tmp_path: Path) -> None:
    """A private folder is there after a crash, for a second start, and gone after the end."""
    folder = tmp_path / "private"
    folder.mkdir()
    first = up(Watched("sleeper", SLEEPS, remove=folder))
    first.kill()
    assert folder.exists()
    second = up(Watched("sleeper", SLEEPS, remove=folder))
    second.stop()
    assert not folder.exists()


def test_one_that_ends_badly_is_an_error_to_who_waits_for_its_end() -> None:
    """A process that is waited for must end with status 0."""
    with Watched("good", [sys.executable, "-c", "pass"]) as process:
        process.wait_for_end()
    bad = [sys.executable, "-c", "print('no'); raise SystemExit(3)"]
    with Watched("bad", bad) as process, pytest.raises(LocalServerError, match=r"(?s)ended with status 3.*no"):
        process.wait_for_end()


def test_a_port_that_somebody_else_took_is_not_the_last() -> None:
    """A start that fails because its port was taken is tried again with others, and no other failure is."""
    tried: list[int] = []

    def start(ports: list[int]) -> int:
        tried.extend(ports)
        if len(tried) == 1:
            raise LocalServerError("it ended: java.net.BindException: Address already in use")
        return ports[0]

    assert with_free_ports(1, start) == tried[1]

    def fail(_ports: list[int]) -> int:
        raise LocalServerError("no room")

    with pytest.raises(LocalServerError, match="no room"):
        _ = with_free_ports(1, fail)
