"""The recipes of docs/processes.md: servers and workers that are told to end leave clean leases behind."""

from __future__ import annotations

import importlib.util
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import pytest

from tests.processes.conftest import Scene


def needs(*packages: str) -> pytest.MarkDecorator:
    lacking = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"not installed: {', '.join(lacking)}")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def asked(port: int) -> Generator[None]:
    """Requests without a pause, from two threads, for as long as the server answers."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with suppress(OSError):
                _ = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                continue
            time.sleep(0.02)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


GUNICORN: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "sync": ("sync", "wsgi", {"ATTACH": "at import"}),
    "lazy": ("sync", "wsgi", {}),
    "gthread": ("gthread", "wsgi", {"ATTACH": "at import"}),
    "uvicorn": ("uvicorn_worker.UvicornWorker", "asgi", {}),
    "uvicorn-aio": ("uvicorn_worker.UvicornWorker", "asgi_aio", {}),
}


@needs("gunicorn", "uvicorn", "uvicorn_worker")
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("case", GUNICORN)
def test_workers_of_gunicorn_leave(scene: Scene, case: str, preload: bool) -> None:
    """Under requests, two workers each; with preload_app the master has a lease too, where it attaches."""
    worker, app, environment = GUNICORN[case]
    port = free_port()
    options = ["--preload"] if preload else []
    command = ["-w", "2", "-k", worker, "-b", f"127.0.0.1:{port}", *options, f"tests.processes.served:{app}"]
    process = scene.begin("gunicorn", *command, **environment)
    with asked(port):
        scene.until_it_writes(process, 20)
        assert scene.ended(process) == 0
    scene.assert_clean()


@needs("uvicorn")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("app", ["asgi", "asgi_aio"])
def test_uvicorn_leaves_at_the_end_of_the_lifespan(scene: Scene, app: str, workers: str) -> None:
    """A client of boto3, or of aiobotocore; uvicorn ends by the signal itself, so that atexit has no turn."""
    port = free_port()
    process = scene.begin(
        "uvicorn", "--port", str(port), "--workers", workers, "--lifespan", "on", f"tests.processes.served:{app}"
    )
    with asked(port):
        scene.until_it_writes(process, 20)
        assert scene.ended(process) in (0, -signal.SIGTERM)
    scene.assert_clean()


@needs("uvicorn")
def test_uvicorn_without_a_lifespan_asks_for_a_verify(scene: Scene) -> None:
    """So what helps is the lifespan."""
    port = free_port()
    process = scene.begin("uvicorn", "--port", str(port), "tests.processes.served:asgi_plain")
    with asked(port):
        scene.until_it_writes(process, 20)
        assert scene.ended(process) == -signal.SIGTERM
    assert scene.unclean_once_counted_out() == 1


@needs("uvicorn")
def test_a_program_that_runs_uvicorn_leaves_on_sigterm(scene: Scene) -> None:
    """Without a lifespan: uvicorn hands the signal on to the handler that was there before."""
    port = free_port()
    process = scene.begin("tests.processes.programs", "uvicorn_run", PORT=str(port))
    with asked(port):
        scene.until_it_writes(process, 20)
        assert scene.ended(process) in (0, -signal.SIGTERM)
    scene.assert_clean()


@needs("celery")
@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
@pytest.mark.parametrize("attach", ["at import", "in the child", "at the first task"])
def test_workers_of_celery_leave(scene: Scene, pool: str, attach: str) -> None:
    """Children of the prefork pool too, which end without what Python, or multiprocessing, does at exit."""
    process = scene.begin(
        "celery", "-A", "tests.processes.tasks", "worker", "--pool", pool, "-c", "2", "-l", "WARNING", ATTACH=attach
    )
    assert scene.begin("tests.processes.tasks").wait(60) == 0
    scene.until_it_writes(process, 20)
    assert scene.ended(process) == 0
    scene.assert_clean()
