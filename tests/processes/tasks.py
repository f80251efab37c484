"""A Celery application whose broker is a folder: `celery -A tests.processes.tasks worker`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from tests.processes.setting import Writer, Writers

celery: Any = importlib.import_module("celery")  # it has no types
signals: Any = importlib.import_module("celery.signals")

FOLDER = Path(os.environ["JOURNAL"]).parent / "broker"
FOLDER.mkdir(exist_ok=True)
app = celery.Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER),
    "data_folder_out": str(FOLDER),
    "control_folder": str(FOLDER.with_name("control")),
}
WRITERS = Writers()


def begin(**_given: Any) -> None:
    _ = WRITERS.one()


if os.environ.get("ATTACH") == "at import":
    begin()
elif os.environ.get("ATTACH") == "in the child":
    signals.worker_process_init.connect(begin)


@app.task(name="write")  # type: ignore[untyped-decorator]
def write(order: str) -> None:
    writer: Writer = WRITERS.one()
    writer.write(order)


if __name__ == "__main__":
    for number in range(20):
        write.delay(str(number))
