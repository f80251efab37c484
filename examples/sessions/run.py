"""Plays the migration of the sessions: `python -m examples.sessions.run`; with --copying by copy-on-write."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.play import Play, create_table, differences, every, last_written, open_play, plain, run, without_stamp
from tests.service import FakeService

FOLDER = Path(__file__).parent
KEY = {"session": "S"}
SPREAD_SECONDS = 90.0  # in which the sessions that were there before come to their end
SWEEP_SECONDS = 0.5
# How long after its time each table deletes an item. In earnest that is up to a few days.
DELAYS = {"sessions": (0.0, 2.0), "sessions-v2": (3.0, 6.0)}
LATEST_SECONDS = max(longest for _, longest in DELAYS.values()) + SWEEP_SECONDS + 2.0


def play_sessions(items: int, *, copying: bool) -> int:
    module = "copying" if copying else "migration"
    with open_play(FOLDER, f"{module}.py") as play, expiring(play):
        play.console.chapter(f"The old table: {items:,} sessions, which expire by `ttl`")
        old, new = (create_table(play.dynamodb, name, KEY) for name in DELAYS)
        seeded = [session(number, items) for number in range(items)]
        with old.batch_writer() as batch:
            for one in seeded:
                batch.put_item(Item=one)
        expire_by(old, "ttl")
        if not copying:
            warn_of_ttl(play, new)
        play.crossfade("check")
        play.crossfade("start", "--execute")

        play.console.chapter("Two web servers, with one line more")
        journals = [play.folder / f"web-{n}.jsonl" for n in (0, 1)]
        for n, journal in enumerate(journals):
            play.start(f"web server {n}", "examples.sessions.web", journal, n, module)
        play.wait_for(*journals)
        migrate_by_copying(play, new) if copying else migrate(play)
        play.stop()

        play.console.chapter("What is there in the end, by the servers' own journals")
        time.sleep(2 * SWEEP_SECONDS)
        judge(play, new, {one["session"]: one for one in seeded} | last_written(*journals))
        return play.verdict("NOTHING LOST: every session was there until its time, and none came back after it")


@contextmanager
def expiring(play: Play) -> Generator[None, None, None]:
    """Put a service before the engine that deletes what is past its time as DynamoDB does: in each table by itself."""
    with FakeService.start(os.environ["AWS_ENDPOINT_URL_DYNAMODB"], sweep_seconds=SWEEP_SECONDS) as service:
        for table, delay in DELAYS.items():
            service.expiry_delay(table, delay)
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = play.environment["AWS_ENDPOINT_URL_DYNAMODB"] = service.endpoint_url
        yield


def expire_by(table: Any, attribute: str) -> None:
    table.meta.client.update_time_to_live(
        TableName=table.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
    )


def session(number: int, items: int) -> dict[str, Any]:
    """One that was there before: their times are spread over the whole migration."""
    login = datetime(2026, 11, 22, 15, 46, number % 60, tzinfo=UTC).isoformat().replace("+00:00", "Z")
    end = int(time.time() + SPREAD_SECONDS * (number + 1) / items)
    return {"session": f"old-{number:06d}", "user": f"user {number % 100}", "login": login, "uses": 1, "ttl": end}


def warn_of_ttl(play: Play, new: Any) -> None:
    """A new table without TTL is an error, and the check says which setting to make."""
    said = play.crossfade("check", status=1)
    play.check(
        "the check says by which attribute the new table is to expire", '"AttributeName":"expires"' in said, said
    )
    expire_by(new, "expires")


def migrate(play: Play) -> None:
    play.console.chapter("Both tables are kept equal, and each expires its sessions by itself")
    play.crossfade("advance", "--to", "dualwrite", "--execute")
    play.crossfade("backfill", "--execute")
    expiring_ones = [verified(play)]
    play.crossfade("advance", "--to", "live", "--execute")
    expiring_ones.append(verified(play))
    play.console.chapter("Down again, and up: both ways ask for a verify that finds nothing")
    play.crossfade("rollback", "--to", "shadow", "--execute")
    expiring_ones.append(verified(play))
    play.crossfade("advance", "--to", "rampdown", "--execute")
    expiring_ones.append(verified(play))
    many = " + ".join(map(str, expiring_ones))
    play.check(f"verify met sessions that one table alone had expired ({many}), and no difference", any(expiring_ones))
    play.crossfade("complete", "--execute", "--confirm", "sessions-v2")
    play.look_after()


def migrate_by_copying(play: Play, new: Any) -> None:
    play.console.chapter("Up to the stamps, down again, and up: the old table expires, the new one not yet")
    play.crossfade("advance", "--to", "stamp", "--execute")
    play.crossfade("rollback", "--to", "off", "--execute")
    play.crossfade("advance", "--to", "drain", "--execute")
    play.crossfade("backfill", "--execute")
    verified(play)
    play.crossfade("advance", "--to", "rampdown", "--execute")
    verified(play)
    # In earnest, a fortnight goes by in which nothing is found in the old table alone.
    play.crossfade("complete", "--execute", "--confirm", "sessions-v2", "--quiet-days", "0")
    play.look_after()
    play.console.chapter("Complete: now the new table expires too")
    expire_by(new, "expires")


def verified(play: Play) -> int:
    """How many sessions a verify found in one table alone that are past their time. It must find nothing else."""
    lines = play.crossfade("verify", "--json").splitlines()
    return int(next(found["expiring"] for found in map(json.loads, lines) if found.get("event") == "result"))


def judge(play: Play, new: Any, written: dict[str, Any]) -> None:
    """`written`: the last value of each session; None where a user has logged out."""
    found = {item["session"]: without_stamp(plain(item)) for item in every(new, ConsistentRead=True)}
    now = time.time()
    lasting = {name: new_form(one) for name, one in written.items() if one is not None and one["ttl"] > now}
    wrong = differences(lasting, {name: found[name] for name in lasting if name in found})
    play.check(f"{len(lasting):,} sessions whose time is to come are as last written", not wrong, *wrong)
    gone = [name for name, one in written.items() if one is None]
    play.check(f"{len(gone):,} sessions that were ended have not come back", not found.keys() & gone)
    late = [name for name, one in found.items() if one["expires"] < now - LATEST_SECONDS]
    over = sum(one is not None and one["ttl"] < now - LATEST_SECONDS for one in written.values())
    play.check(
        f"{over:,} sessions whose time is over have expired, and have not come back", bool(over) and not late, *late
    )


def new_form(one: dict[str, Any]) -> dict[str, Any]:
    """A session of the old table as the new one has it: what migration.py says, once more by hand."""
    rest = {name: value for name, value in one.items() if name != "ttl"}
    return rest | {"expires": one["ttl"], "login": int(datetime.fromisoformat(one["login"]).timestamp())}


if __name__ == "__main__":
    sys.exit(run(play_sessions, __doc__ or "", copying="by copy-on-write, instead of both tables being kept equal"))
