"""Values as Kafka Connect's JsonConverter writes them, with its schemas or without, as a SELECT would give them.

| in the schema | value |
|---|---|
| int8 ... int64 | int |
| boolean | int, as neither MySQL nor MariaDB has another: BIT(1), and BOOLEAN where the connector saw CREATE TABLE |
| float, double | float |
| string | str |
| bytes | bytes |
| array | list |
| org.apache.kafka.connect.data.Decimal | Decimal; int for a BIGINT UNSIGNED (scale 0, precision 20) |
| io.debezium.data.Bits | int |
| io.debezium.data.Enum, .EnumSet | str, frozenset of str |
| io.debezium.data.Json | what it says; numbers with a point or an exponent are Decimal |
| io.debezium.data.geometry.* | bytes as the server keeps them: four of SRID, then WKB |
| .Date, .IsoDate | date |
| .Timestamp, .MicroTimestamp, .NanoTimestamp, .IsoTimestamp | datetime without a zone, as DATETIME has none |
| .ZonedTimestamp | datetime in UTC |
| .Time, .MicroTime, .NanoTime, .IsoTime | timedelta |
| another name | what its type says |

Without schemas there is only JSON: text may be text, base64 or a date, a number may be days or milliseconds. Values
stay as they are then (numbers with a point or an exponent Decimal, true and false 1 and 0), and the mapping has to
know.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from crossfade.cdc.changes import ChangeUnreadable, Value

Converter = Callable[[Any], Value]
SCHEMAS_KEPT: Final = 512  # two for each table and each of its forms; the schema is most of a message's length
SCHEMA_FIRST: Final = b'{"schema":'
PAYLOAD_NEXT: Final = b',"payload":'
SOURCE_TYPE: Final = "__debezium.source.column.type"  # there with `column.propagate.source.type`
UNSIGNED_BIGINT: Final = ("0", "20")  # scale and precision of a Decimal
EPOCH: Final = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  DATETIME has no zone
NANOSECONDS_A_MICROSECOND: Final = 1_000
_EXACT: Final = json.JSONDecoder(parse_float=Decimal)  # to make one costs as much as a small message
CANNOT: Final = (ValueError, TypeError, ArithmeticError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Columns:
    """How the fields of one struct are read; without a schema, every one as it is."""

    converters: Mapping[str, Converter] | None = None

    def read(self, fields: Any) -> dict[str, Value]:
        """The values by the names of their columns, in the struct's order. Raises ChangeUnreadable."""
        known = as_object(fields)
        if known is None:
            raise ChangeUnreadable(f"a row was expected where there is {fields!r}")
        read: dict[str, Value] = {}
        for name, told in known.items():
            try:
                read[name] = self._converter(name)(told)
            except CANNOT as error:
                raise ChangeUnreadable(f"column {name} holds {told!r}, which cannot be read: {error!r}") from error
        return read

    def _converter(self, name: str) -> Converter:
        return _as_it_is if self.converters is None else self.converters[name]


@dataclass(frozen=True, slots=True)
class Opened:
    """A message's content, and how its fields are read: `own` its own, `inner` those of the structs within it."""

    payload: Any
    own: Columns
    inner: Mapping[str, Columns]

    def columns(self, name: str) -> Columns:
        return self.inner.get(name) or Columns()


def as_object(told: object) -> dict[str, Any] | None:
    """What is a JSON object, as one; None for everything else."""
    return cast("dict[str, Any]", told) if isinstance(told, dict) else None


def opened(message: bytes) -> Opened:
    """Take a message apart. Raises ChangeUnreadable when it is no JSON."""
    try:
        return _cut(message) or _parsed(message)
    except ValueError as error:
        raise ChangeUnreadable(
            f"no JSON: {error}", next_step="the converters must be JsonConverter; Avro and Protobuf are not read"
        ) from error


def _cut(message: bytes) -> Opened | None:
    """Cut schema and content apart without reading the schema, which is the same in a thousand messages."""
    schema, found, payload = message.partition(PAYLOAD_NEXT)
    if not found or not schema.startswith(SCHEMA_FIRST):
        return None
    try:
        own, inner = _columns(schema[len(SCHEMA_FIRST) :])
        return Opened(exact_json(payload.rstrip()[:-1]), own, inner)
    except ValueError:  # the same letters within a text: read as a whole
        return None


def _parsed(message: bytes) -> Opened:
    document = exact_json(message)
    whole = as_object(document)
    if whole is not None and set(whole) == {"schema", "payload"} and isinstance(whole["schema"], dict | None):
        own, inner = _columns(json.dumps(whole["schema"]).encode())
        return Opened(whole["payload"], own, inner)
    return Opened(document, Columns(), {})


def exact_json(text: bytes | str) -> Any:
    """What JSON says, with every number that has a point or an exponent as it is written. Raises ValueError."""
    return _EXACT.decode(text if isinstance(text, str) else text.decode())


@lru_cache(SCHEMAS_KEPT)
def _columns(text: bytes) -> tuple[Columns, Mapping[str, Columns]]:
    schema = json.loads(text)
    if schema is None or schema.get("type") != "struct":
        return Columns(), {}
    inner = {field["field"]: _struct(field) for field in schema["fields"] if field["type"] == "struct"}
    return _struct(schema), inner


def _struct(schema: Mapping[str, Any]) -> Columns:
    return Columns({field["field"]: _nullable(converter_of(field)) for field in schema["fields"]})


def _nullable(convert: Converter) -> Converter:
    return lambda told: None if told is None else convert(told)


def converter_of(schema: Mapping[str, Any]) -> Converter:
    """How a field with this schema is read."""
    name, of_type = schema.get("name", ""), schema["type"]
    parameters: Mapping[str, str] = schema.get("parameters") or {}
    if name == "org.apache.kafka.connect.data.Decimal":
        return _decimal(int(parameters["scale"]), parameters.get("connect.decimal.precision", ""))
    if name == "io.debezium.data.Enum":
        return _enum(parameters.get("allowed", ""))
    if name.startswith("io.debezium.data.geometry."):
        return _geometry
    if of_type == "int64" and parameters.get(SOURCE_TYPE, "").startswith("BIGINT UNSIGNED"):
        return lambda told: told if told >= 0 else told + (1 << 64)
    if of_type == "array":
        element = _nullable(converter_of(schema["items"]))
        return lambda told: [element(each) for each in told]
    if of_type == "struct" and not name.startswith("io.debezium."):
        return _struct(schema).read
    return BY_NAME.get(name) or BY_TYPE.get(of_type, _as_it_is)


def _as_it_is(told: Any) -> Value:
    return int(told) if isinstance(told, bool) else told


def _integer(told: Any) -> int:
    if not isinstance(told, int):
        raise TypeError("no integer")
    return int(told)


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError("no text")
    return told


def _bytes(told: Any) -> bytes:
    return base64.b64decode(told, validate=True)


def _decimal(scale: int, precision: str) -> Converter:
    """Base64 of the digits as a signed number, or a JSON number with `decimal.format=NUMERIC`."""
    whole = (str(scale), precision) == UNSIGNED_BIGINT

    def convert(told: Any) -> Value:
        if isinstance(told, int | Decimal):
            return int(told) if whole else Decimal(told)
        digits = int.from_bytes(_bytes(told), "big", signed=True)
        return digits if whole else Decimal(f"{digits}E-{scale}")

    return convert


def _bits(told: Any) -> int:
    return int.from_bytes(_bytes(told), "little")


def _enum(allowed: str) -> Converter:
    """A member with a comma has a backslash before it where it comes from the log, and none from a snapshot."""
    escaped = {each: each.replace("\\,", ",") for each in re.split(r"(?<!\\),", allowed) if "\\," in each}
    return lambda told: escaped.get(told, _text(told))


def _enum_set(told: Any) -> frozenset[str]:
    return frozenset(told.split(",")) if told else frozenset()


def _json(told: Any) -> Value:
    return exact_json(told)  # type: ignore[no-any-return]


def _geometry(told: Any) -> bytes:
    return int(told["srid"] or 0).to_bytes(4, "little") + _bytes(told["wkb"])


def _microseconds(nanoseconds: int) -> int:
    """Whole ones, as MySQL has no others. What did not fit into 64 bits was wrapped, which leaves a rest.

    It leaves one in all of the years 0 to 9999: each turn adds 616 nanoseconds, and there are at most fourteen.
    """
    microseconds, rest = divmod(nanoseconds, NANOSECONDS_A_MICROSECOND)
    if rest:
        raise ValueError("it did not fit into 64 bits: another `time.precision.mode` is needed")
    return microseconds


def _date(days: int) -> datetime.date:
    return (EPOCH + datetime.timedelta(days=days)).date()


def _iso_date(told: str) -> datetime.date:
    return datetime.date.fromisoformat(told.removesuffix("Z"))


def _iso_timestamp(told: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(told.removesuffix("Z"))


def _iso_time(told: str) -> datetime.timedelta:
    return _iso_timestamp(f"1970-01-01T{told}") - EPOCH


def _zoned(told: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(told).astimezone(datetime.UTC)


def _span(**unit: int) -> datetime.timedelta:
    return datetime.timedelta(**unit)


BY_TYPE: Final[Mapping[str, Converter]] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "boolean"), _integer),
    **dict.fromkeys(("float", "double"), float),
    "string": _text,
    "bytes": _bytes,
}
BY_NAME: Final[Mapping[str, Converter]] = {
    "io.debezium.data.Bits": _bits,
    "io.debezium.data.EnumSet": _enum_set,
    "io.debezium.data.Json": _json,
    "io.debezium.time.Date": _date,
    "io.debezium.time.IsoDate": _iso_date,
    "io.debezium.time.Timestamp": lambda told: EPOCH + _span(milliseconds=told),
    "io.debezium.time.MicroTimestamp": lambda told: EPOCH + _span(microseconds=told),
    "io.debezium.time.NanoTimestamp": lambda told: EPOCH + _span(microseconds=_microseconds(told)),
    "io.debezium.time.IsoTimestamp": _iso_timestamp,
    "io.debezium.time.ZonedTimestamp": _zoned,
    "io.debezium.time.Time": lambda told: _span(milliseconds=told),
    "io.debezium.time.MicroTime": lambda told: _span(microseconds=told),
    "io.debezium.time.NanoTime": lambda told: _span(microseconds=_microseconds(told)),
    "io.debezium.time.IsoTime": _iso_time,
    "org.apache.kafka.connect.data.Date": _date,
    "org.apache.kafka.connect.data.Time": lambda told: _span(milliseconds=told),
    "org.apache.kafka.connect.data.Timestamp": lambda told: EPOCH + _span(milliseconds=told),
}
