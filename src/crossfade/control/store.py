"""Reading the control table, and the one way to change the state.

Every change of the state is one transaction with its journal entry, conditional on the journal being as long as it was
when the state was read. Two coordinators therefore cannot both change it, and whoever lost the answer reads the entry
back and knows its own by the token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from crossfade.control.calls import DONE, SENDINGS, answered_at, ask, change
from crossfade.control.record_items import (
    AnyRecord,
    from_item,
    job_record,
    journal_record,
    number,
    reader_record,
    record_name,
    shard_records,
    text,
    to_item,
    write,
)
from crossfade.control.records import (
    CLIENTS,
    JOURNAL,
    PARTITION_KEY,
    SEGMENTS,
    SORT_KEY,
    STATE,
    Job,
    JobRecord,
    JournalEntry,
    Lease,
    Reader,
    SegmentCheckpoint,
    ShardPosition,
    State,
    StreamReader,
)
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.sync.retry import is_unanswered, resend
from crossfade.errors import NotStarted, ServiceRejected, UnknownOutcome

Record = TypeVar("Record")

TABLE_DEFAULT: Final = "crossfade"
CANCELLED: Final = "cancelled"  # what the last entry of such a migration's journal says
RENEWED: Final = (
    "beat", "token", "epoch", "adopted", "stage", "ramp_percent", "lost_mirrors", "lost_example", "denied", "at_rest",
    "compared", "failing", "open_since", "lease_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """The person or process that changes something, for the journal.

    `clock` gives the wall-clock time as people read it.
    """

    who: str
    host: str
    clock: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the state: the fields that get another value, what the journal says, and what goes with it.

    `guard_unclean`: only while `unclean` is what was read. `also`: further actions of the same transaction.
    """

    fields: Mapping[str, object]
    what: str
    why: str = ""
    forced: bool = False
    guard_unclean: bool = False
    add_unclean: bool = False
    also: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """The records of one migration. `place`: the endpoint and the Region of the table, for messages, where known.
    `mapping`: the digest of the mapping at hand, where it may change."""

    migration: str
    table: str = TABLE_DEFAULT
    place: str = ""
    mapping: str = ""

    # --- reading, always strongly consistent

    def state(self) -> Routine[State]:
        """Raises NotStarted when there is no such migration, or no control table."""
        return (yield from self.state_at())[0]

    def state_at(self) -> Routine[tuple[State, int]]:
        """Return the state, and when DynamoDB says that it was so (see `answered_at`); 0 where it does not say."""
        reply = yield from self._read(STATE)
        found: Item | None = reply.get("Item")
        if found is None:
            raise self.not_started()
        return from_item(State, found), answered_at(reply) or 0

    def others(self) -> Routine[dict[str, State]]:
        """The state of every other migration in the control table, by its name."""
        found: dict[str, State] = {}
        request: Request = {"TableName": self.table, "ConsistentRead": True}
        while True:
            reply = yield from ask("Scan", request)
            for item in reply["Items"]:
                name: str = item[PARTITION_KEY]["S"]
                if item[SORT_KEY]["S"] == STATE and name != self.migration:
                    found[name] = from_item(State, item)
            if not reply.get("LastEvaluatedKey"):
                return found
            request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}

    def job(self, job: Job) -> Routine[JobRecord | None]:
        found = yield from self._get(job_record(job))
        return None if found is None else from_item(JobRecord, found)

    def lease(self, client: str) -> Routine[Lease | None]:
        found = yield from self._get(CLIENTS + client)
        return None if found is None else from_item(Lease, found)

    def leases(self) -> Routine[tuple[Lease, ...]]:
        return (yield from self.records(Lease, CLIENTS))

    def segments(self, job: Job) -> Routine[tuple[SegmentCheckpoint, ...]]:
        return (yield from self.records(SegmentCheckpoint, f"{SEGMENTS}{job.value}#"))

    def reader(self, reader: Reader) -> Routine[StreamReader | None]:
        found = yield from self._get(reader_record(reader))
        return None if found is None else from_item(StreamReader, found)

    def positions(self, reader: Reader) -> Routine[tuple[ShardPosition, ...]]:
        return (yield from self.records(ShardPosition, shard_records(reader)))

    def items(self, prefix: str) -> Routine[tuple[Item, ...]]:
        """Records as they are stored, by what their names begin with."""
        found: list[Item] = []
        request = self._query(prefix)
        while True:
            reply = yield from ask("Query", request)
            found += reply["Items"]
            last: Any = reply.get("LastEvaluatedKey")
            if not last:
                return tuple(found)
            request = request | {"ExclusiveStartKey": last}

    def records(self, kind: type[Record], prefix: str) -> Routine[tuple[Record, ...]]:
        return tuple(from_item(kind, item) for item in (yield from self.items(prefix)))

    def count(self, prefix: str) -> Routine[int]:
        """How many records there are whose names begin so, as of a moment ago."""
        request = self._query(prefix) | {"ConsistentRead": False, "Select": "COUNT"}
        counted = 0
        while True:
            reply = yield from ask("Query", request)
            counted += int(reply["Count"])
            if not reply.get("LastEvaluatedKey"):
                return counted
            request = request | {"ExclusiveStartKey": reply["LastEvaluatedKey"]}

    def journal(self, count: int) -> Routine[tuple[JournalEntry, ...]]:
        """The last entries, oldest first."""
        request = self._query(JOURNAL) | {"ScanIndexForward": False, "Limit": count}
        reply = yield from ask("Query", request)
        return tuple(from_item(JournalEntry, item) for item in reversed(reply["Items"]))

    def not_started(self) -> NotStarted:
        at = f" at {self.place}" if self.place else ""
        return NotStarted(
            f"migration {self.migration} is not in the control table {self.table}{at}",
            next_step="crossfade start --execute",
        )

    # --- parts of requests

    def key(self, record: str) -> Item:
        return {PARTITION_KEY: text(self.migration), SORT_KEY: text(record)}

    def put(self, record: AnyRecord) -> Request:
        return {"TableName": self.table, "Item": to_item(self.migration, record)}

    def put_new(self, record: AnyRecord) -> Request:
        """A put that is refused where the record exists."""
        return self.put(record) | {
            "ConditionExpression": "attribute_not_exists(#record)",
            "ExpressionAttributeNames": {"#record": SORT_KEY},
        }

    def renewal(self, lease: Lease, tokens: Iterable[str]) -> Request:
        """The next beat of a lease, where the record has one of these `tokens`, which this process has sent: its own is
        among them, because a client library beneath us may send the same request twice. A beat is never used twice, so
        that one which lands late is refused."""
        known = {f":token{n}": text(token) for n, token in enumerate(tokens)}
        return {
            "TableName": self.table,
            "Key": self.key(record_name(lease)),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in RENEWED),
            "ConditionExpression": f"#beat <= :beat AND #token IN ({', '.join(known)})",
            "ExpressionAttributeNames": {f"#{name}": name for name in RENEWED},
            "ExpressionAttributeValues": {f":{name}": write(getattr(lease, name)) for name in RENEWED} | known,
        }

    def delete(self, record: str) -> Request:
        return {"TableName": self.table, "Key": self.key(record)}

    def add_unclean(self, before: int | None = None) -> Request:
        """One more client that ended unfinished; refused where there is no migration (any more), or `unclean` is not
        what it was `before`."""
        request: Request = {
            "TableName": self.table,
            "Key": self.key(STATE),
            "UpdateExpression": "ADD #unclean :one",
            "ConditionExpression": "attribute_exists(#record)",
            "ExpressionAttributeNames": {"#unclean": "unclean", "#record": SORT_KEY},
            "ExpressionAttributeValues": {":one": number(1)},
        }
        if before is not None:
            request["ConditionExpression"] += " AND #unclean = :before"
            request["ExpressionAttributeValues"][":before"] = number(before)
        return request

    # --- changing

    def change_state(self, state: State, caller: Caller, token: str, wanted: Change) -> Routine[bool]:
        """Whether the change was made. False: the state is not what it was when `state` was read.

        `token` is fresh for this change. Raises UnknownOutcome when no answer came however often it was asked; the
        same command may simply be given again.
        """
        return (
            yield from self.commit(self._change_request(state, caller, token, wanted), state.journal_length + 1, token)
        )

    def remove(self, record: str) -> Routine[None]:
        _ = yield from ask("DeleteItem", self.delete(record))

    def commit(self, request: Request, journal_number: int, token: str) -> Routine[bool]:
        """A transaction that writes this journal entry; whether it was carried out, however the answers were lost."""

        def send() -> Routine[bool]:
            lost: UnknownOutcome | None = None
            try:
                if (yield from change("TransactWriteItems", request)) == DONE:
                    return True
            except UnknownOutcome as unknown:
                lost = unknown
            # What made it fail may be an earlier sending of the same: ours, or of the client library beneath us.
            entry = yield from self._get(journal_record(journal_number))
            if entry is not None:
                return from_item(JournalEntry, entry).token == token
            if lost is not None:
                raise lost  # not carried out yet: it is sent again, and only one of the two can be
            return False

        return resend(send, is_unanswered, SENDINGS)

    def _change_request(self, state: State, caller: Caller, token: str, wanted: Change) -> Request:
        at = caller.clock()
        length = state.journal_length + 1
        fields = {**wanted.fields, "journal_length": length, "changed_at": at}
        names = {f"#{name}": name for name in fields}
        values = {f":{name}": write(value) for name, value in fields.items()} | {":length": number(length - 1)}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
        condition = "#journal_length = :length"
        if wanted.guard_unclean:
            condition += " AND #unclean = :unclean"
            names["#unclean"], values[":unclean"] = "unclean", number(state.unclean)
        if wanted.add_unclean:
            expression += " ADD #unclean :one"
            names["#unclean"], values[":one"] = "unclean", number(1)
        update: Request = {
            "TableName": self.table,
            "Key": self.key(STATE),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        epoch = wanted.fields.get("epoch", state.epoch)
        assert isinstance(epoch, int)  # noqa: S101 - the impossible
        stage, ramp = (fields.get(name, getattr(state, name)) for name in ("stage", "ramp_percent"))
        assert isinstance(stage, str)  # noqa: S101 - the impossible
        assert isinstance(ramp, int)  # noqa: S101 - likewise
        entry = JournalEntry(
            length, token, epoch, wanted.what, caller.who, caller.host, at, wanted.why, wanted.forced, stage, ramp
        )
        return {"TransactItems": [{"Update": update}, {"Put": self.put_new(entry)}, *wanted.also]}

    # --- the calls beneath

    def _get(self, record: str) -> Routine[Item | None]:
        found: Item | None = (yield from self._read(record)).get("Item")
        return found

    def _read(self, record: str) -> Routine[Reply]:
        try:
            return (
                yield from ask("GetItem", {"TableName": self.table, "Key": self.key(record), "ConsistentRead": True})
            )
        except ServiceRejected as error:
            if error.code != "ResourceNotFoundException":
                raise
            raise self.not_started() from None  # no table, no migration: the refusal says nothing more

    def _query(self, prefix: str) -> Request:
        return {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#migration = :migration AND begins_with(#record, :prefix)",
            "ExpressionAttributeNames": {"#migration": PARTITION_KEY, "#record": SORT_KEY},
            "ExpressionAttributeValues": {":migration": text(self.migration), ":prefix": text(prefix)},
        }
