"""A table of a migration: its name, its key, its indexes, and where it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.core.key_names import KeyNames
from crossfade.core.mapping import Kind
from crossfade.errors import ConfigurationError

TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")  # DynamoDB's own rule
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ACCOUNT: Final = re.compile(r"\d{12}")
INDEX_ATTRIBUTES_MAX: Final = 4  # DynamoDB's own limit, of the partition key and of the sort key each
KEY_NAME_BYTES_MAX: Final = 255  # DynamoDB's limit on the name of a key attribute


@dataclass(frozen=True, slots=True)
class Index:
    """The key of an index, where it has several attributes: `Index(partition={"tenant": "S", "kind": "S"},
    sort={"year": "N", "day": "N"})`. Of each there are up to four, in their order, with their types.

    Raises ConfigurationError.
    """

    partition: Mapping[str, Kind] = field(hash=False)
    sort: Mapping[str, Kind] = field(default_factory=dict[str, Kind], hash=False)

    def __post_init__(self) -> None:
        for role, given, least in (("partition", self.partition, 1), ("sort", self.sort, 0)):
            entries = _entries(given)
            if entries is None or not least <= len(entries) <= INDEX_ATTRIBUTES_MAX:
                raise ConfigurationError(
                    f"an index: {role}={given!r} is not {least} to {INDEX_ATTRIBUTES_MAX} attributes with their types",
                    next_step='write Index(partition={"tenant": "S", "kind": "S"}, sort={"day": "N"})',
                )
            _check_key_attributes("an index", entries)
            object.__setattr__(self, role, dict(entries))
        if twice := self.partition.keys() & self.sort.keys():
            raise ConfigurationError(f"an index: {', '.join(sorted(twice))} is of its partition and its sort key")

    @property
    def names(self) -> KeyNames:
        return KeyNames(tuple(self.partition), tuple(self.sort))

    @property
    def kinds(self) -> dict[str, Kind]:
        """The type of each attribute."""
        return {**self.partition, **self.sort}


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `Table("orders", key={"customer": "S", "order_id": "S"})`.

    `key` is the partition key and, where there is one, the sort key, in that order, each with its type: S, N or B.
    Raises ConfigurationError.
    """

    name: str
    key: Mapping[str, Kind] = field(hash=False)
    indexes: Mapping[str, Mapping[str, Kind] | Index] = field(
        default_factory=dict[str, Mapping[str, Kind] | Index], hash=False
    )
    """The key of each index: like `key`, or an Index. Needed for the local indexes of a table that the mapping spreads,
    and for those that the target is to be made with."""
    region: str = ""
    """Where it is, with the strategy `freeze`: commands ask there, and every one sees to it that the table that answers
    is of this Region, and of this `account`."""
    account: str = ""
    client: Callable[[], Any] | None = field(default=None, compare=False, repr=False)
    """Makes a boto3 client of DynamoDB that reaches it, where the credentials or the endpoint are others than those
    that commands are given: `client=lambda: boto3.Session(profile_name="new").client("dynamodb")`."""
    key_names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """The key attributes, partition first."""
    partition_key: str = field(init=False, compare=False, repr=False)
    sort_key: str | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_table_name(self.name, "table")
        entries = _entries(self.key)
        if entries is None or not 1 <= len(entries) <= 2:
            raise ConfigurationError(
                f"table {self.name}: key={self.key!r} is not one or two attributes with their types",
                next_step='write key={"partition": "S"} or key={"partition": "S", "sort": "N"}',
            )
        _check_key_attributes(f"table {self.name}", entries)
        names = tuple(self.key)
        for name, value in (
            ("key", dict(self.key)),
            ("indexes", _indexes(self.name, self.indexes)),
            ("key_names", names),
            ("partition_key", names[0]),
            ("sort_key", names[1] if len(names) > 1 else None),
        ):
            object.__setattr__(self, name, value)
        _check_place(self.name, self.region, self.account, self.client)

    @property
    def is_placed(self) -> bool:
        """Whether it is said where it is."""
        return bool(self.region or self.account or self.client)

    @property
    def full_name(self) -> str:
        """The name with the Region and the account that are said of it: unique among all tables."""
        places = [place for place in (self.region, self.account) if place]
        return f"{self.name} ({', '.join(places)})" if places else self.name

    def index(self, name: str) -> Index | None:
        """What is declared of an index."""
        found = self.indexes.get(name)
        return found if isinstance(found, Index) else None  # each is one from the start on


def _entries(given: Any) -> list[tuple[Any, Any]] | None:
    """Return the entries of a mapping; None for anything else, since migration files are not type-checked."""
    return list(given.items()) if isinstance(given, Mapping) else None  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _check_key_attributes(what: str, entries: Sequence[tuple[Any, Any]]) -> None:
    for name, kind in entries:
        if not isinstance(name, str) or not 1 <= len(name.encode()) <= KEY_NAME_BYTES_MAX:
            raise ConfigurationError(f"{what}: {name!r} is no name for a key attribute")
        if kind not in ("S", "N", "B"):
            raise ConfigurationError(f"{what}: key attribute {name!r} is {kind!r}; S, N or B is needed")


def _check_place(table: str, region: Any, account: Any, client: Any) -> None:
    """Raises ConfigurationError."""
    if region and not (isinstance(region, str) and REGION.fullmatch(region)):
        raise ConfigurationError(f"table {table}: region={region!r} is no Region, such as eu-central-1")
    if account and not (isinstance(account, str) and ACCOUNT.fullmatch(account)):
        raise ConfigurationError(
            f"table {table}: account={account!r} is no account",
            next_step='its twelve digits, as a text: account="111122223333"',
        )
    if client is not None and not callable(client):
        raise ConfigurationError(
            f"table {table}: client={client!r} is no function that makes a client",
            next_step='write client=lambda: boto3.Session(profile_name="...").client("dynamodb")',
        )


def _indexes(table: str, given: Any) -> dict[str, Index]:
    """What is declared of each index, in one form."""
    entries = _entries(given)
    if entries is None:
        raise ConfigurationError(
            f"table {table}: indexes={given!r} is no mapping", next_step='write indexes={"by-day": {"day": "S"}}'
        )
    found: dict[str, Index] = {}
    for name, key in entries:
        if isinstance(key, Index):
            found[name] = key
            continue
        attributes = _entries(key)
        if attributes is None or not 1 <= len(attributes) <= 2:
            raise ConfigurationError(
                f"table {table}: index {name}: {key!r} is not one or two attributes with their types",
                next_step='write {"partition": "S", "sort": "N"}, or of several attributes'
                ' Index(partition={"tenant": "S", "kind": "S"}, sort={"day": "N"})',
            )
        _check_key_attributes(f"table {table}: index {name}", attributes)
        found[name] = Index(dict(attributes[:1]), dict(attributes[1:]))
    return found


def elsewhere(table: Table, region: str, description: Mapping[str, Any]) -> str:
    """Return where the table that answers is, if it is said to be elsewhere; "" otherwise. `region`: the client's;
    `description`: what DescribeTable says, or nothing.

    An ARN is arn:aws:dynamodb:REGION:ACCOUNT:table/NAME; emulators have no Region's name there.
    """
    arn = str(description.get("TableArn", "")).split(":")
    told, account = (arn[3], arn[4]) if len(arn) > 5 else ("", "")
    regions = [name for name in (region, told) if REGION.fullmatch(name)]
    wrong = next((name for name in regions if table.region and name != table.region), "")
    if not wrong and table.account and account and account != table.account:
        wrong = f"account {account}"
    return wrong


def refuse_elsewhere(table: Table, region: str, where: str, description: Mapping[str, Any]) -> None:
    """Raises ConfigurationError. `where`: the client's endpoint, as people read it."""
    wrong = elsewhere(table, region, description)
    if wrong:
        raise ConfigurationError(
            f"table {table.full_name}: what answers at {where} is in {wrong}; nothing was changed",
            next_step="correct region= and account= of it in the migration file, or give it a client= with the right"
            " credentials and Region",
        )


def refuse_one_table(migration: str, source: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where both sides are one and the same table: what is mirrored to it, and deleted of it
    at the end, would be the only copy."""
    if source.get("TableId") and source.get("TableId") == target.get("TableId"):
        raise ConfigurationError(
            f"migration {migration}: source and target are one and the same table, {source.get('TableArn')}",
            next_step="say where the other one is: region=, or a client= that reaches it",
        )


def check_table_name(name: Any, what: str) -> None:
    """Raises ConfigurationError."""
    if not isinstance(name, str) or not TABLE_NAME.fullmatch(name):
        raise ConfigurationError(f"{what} {name!r}: a table name is 3 to 255 letters, digits, '-', '_' or '.'")
