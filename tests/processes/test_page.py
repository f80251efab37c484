"""The programs of docs/processes.md, as they stand there: each is run, told to end, and leaves a clean lease."""

from __future__ import annotations

import re
import signal
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from tests.aws.conftest import wait_for
from tests.processes.conftest import END_SECONDS_MAX, ROOT, Scene
from tests.processes.test_servers import asked, free_port, needs

PAGE: Final = ROOT / "docs" / "processes.md"
PROGRAMS: Final = dict(
    re.findall(r"^```python\n# (\w+\.py)[^\n]*\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
MIGRATION: Final = "from tests.processes.setting import migration as made\n\nmigration = made()\n"


def write(scene: Scene, name: str) -> None:
    """The program and its migration, with the names of this test's table."""
    text = PROGRAMS[name].replace('"orders"', f'"{scene.world.migration.source.name}"').replace("order_id", "order")
    _ = (scene.folder / name).write_text(text)
    _ = (scene.folder / "migration.py").write_text(MIGRATION)


def written(scene: Scene) -> int:
    return int(scene.world.plain.scan(TableName=scene.world.migration.source.name, Select="COUNT")["Count"])


def assert_left(scene: Scene) -> None:
    scene.assert_clean()
    assert written(scene) > 0
    assert scene.world.agree()


def test_a_plain_program(scene: Scene) -> None:
    """`detach_on_sigterm()` at start-up."""
    write(scene, "plain.py")
    process = scene.begin("plain", PYTHONPATH=path_of(scene))
    wait_for(lambda: written(scene) > 20, "writes")
    assert scene.ended(process) == -signal.SIGTERM
    assert_left(scene)


@needs("gunicorn", "uvicorn", "uvicorn_worker")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("app.py", "gunicorn -w 2 -b {} app:app"),
        ("app.py", "gunicorn -w 2 -k gthread --threads 4 -b {} app:app"),
        ("app.py", "gunicorn -w 2 --preload -b {} app:app"),
        ("asgi.py", "gunicorn -w 2 -k uvicorn_worker.UvicornWorker -b {} asgi:app"),
        ("asgi.py", "uvicorn --host 127.0.0.1 --port {port} asgi:app"),
    ],
)
def test_a_server(scene: Scene, name: str, command: str) -> None:
    """Under requests."""
    write(scene, name)
    port = free_port()
    words = command.format(f"127.0.0.1:{port}", port=port).split()
    process = scene.begin(*words, PYTHONPATH=path_of(scene))
    wait_for(lambda: answers(port), "an answer")
    with asked(port):
        assert scene.ended(process) in (0, -signal.SIGTERM)
    assert_left(scene)


def answers(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/first", timeout=5).read() == b"ok")
    except OSError:
        return False


@needs("celery")
def test_workers_of_celery(scene: Scene) -> None:
    """Tasks from a folder, in two children."""
    write(scene, "tasks.py")
    (scene.folder / "broker").mkdir()
    process = scene.begin("celery", "-A", "tasks", "worker", "-c", "2", "-l", "WARNING", PYTHONPATH=path_of(scene))
    _ = (scene.folder / "send.py").write_text("import tasks\nfor n in range(20):\n    tasks.write.delay(str(n))\n")
    assert scene.begin("send", PYTHONPATH=path_of(scene)).wait(END_SECONDS_MAX) == 0
    wait_for(lambda: written(scene) >= 20, "tasks")
    assert scene.ended(process) == 0
    assert_left(scene)


def test_a_pool(scene: Scene) -> None:
    """Which terminates its workers."""
    write(scene, "pool.py")
    assert scene.begin("pool", PYTHONPATH=path_of(scene)).wait(END_SECONDS_MAX) == 0
    assert written(scene) == 20
    assert_left(scene)


def test_every_program_of_the_page_is_run() -> None:
    """None is left out above."""
    text = Path(__file__).read_text()
    assert len(PROGRAMS) == PAGE.read_text().count("```python")
    assert [name for name in PROGRAMS if f'"{name}"' not in text] == []


def path_of(scene: Scene) -> str:
    return f"{scene.folder}:{scene.environment['PYTHONPATH']}"
