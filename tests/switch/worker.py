"""A process of an application behind the switch: calls on a few hot keys until it is killed or told to end.

`python worker.py '{"endpoint": ..., ...}'`. Each call is written down before it is made and after its answer, with the
machine's monotonic clock. It ends when its standard input does, so also when its parent is gone.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import botocore.session

from crossfade import detach_on_sigterm
from crossfade.errors import CrossfadeError, Held
from crossfade.switch import Switch
from crossfade.switch.membership import Timing
from tests.switch.stores import OPERATIONS, SqliteShop

KEYS = ("a", "b", "c")


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    session: Any = botocore.session.Session()
    client = session.create_client("dynamodb", **given["client"])
    old, new = SqliteShop(folder / "old"), SqliteShop(folder / "new")
    stop = threading.Event()

    def wait_for_the_end() -> None:
        _ = sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    assert detach_on_sigterm()
    options: dict[str, Any] = {"control": client, "timing": Timing(0.2, repair_seconds=0.5), **given["options"]}
    with (
        Switch(given["name"], old, new, OPERATIONS, **options) as switch,
        (folder / f"journal-{given['seed']}").open("w", encoding="utf-8") as journal,
    ):
        work(switch, journal, stop, given["seed"])


def work(switch: Switch, journal: Any, stop: threading.Event, seed: int) -> None:
    chance = random.Random(seed)
    number = 0

    def write(line: dict[str, Any]) -> None:
        _ = journal.write(json.dumps(line | {"at": time.monotonic_ns()}) + "\n")
        journal.flush()

    while not stop.is_set():
        key, number = chance.choice(KEYS), number + 1
        name = "get" if chance.random() < 0.5 else "append"
        token = f"{seed}.{number}" if name == "append" else ""
        write({"call": number, "key": key, "name": name, "token": token})
        try:
            answer = switch.find(key) if name == "get" else switch.append(key, token)
        except Held:
            write({"held": number})
        except CrossfadeError as error:
            write({"unknown": number, "why": error.message})
        else:
            write({"answer": number, "is": answer})
        time.sleep(chance.random() * 0.02)


if __name__ == "__main__":
    main()
