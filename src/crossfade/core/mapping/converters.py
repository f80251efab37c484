"""Ready-made converters. Each is exact: a value with no exact counterpart is refused when it is met.

text_to_number    S "12.5"  <->  N 12.5        "007" and "12.50" have no counterpart: they would come back shorter
number_to_text    N 12.5    <->  S "12.5"
epoch_to_iso      N 0       <->  S "1970-01-01T00:00:00Z"     whole seconds, years 1 to 9999, UTC
iso_to_epoch      the other way about
base64_to_binary  S "aGk="  <->  B hi
flag_to_number    BOOL      <->  N 1 or 0      (a BOOL cannot be an index key, a number can)
set_to_list       SS        <->  L of S, in order
prepend("A#")     S "7"     <->  S "A#7"       as a sort key, in the same order
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from crossfade.core.items import AttributeValue, format_number, parse_number
from crossfade.core.mapping.convert import Converter
from crossfade.errors import MappingInvalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ISO_SECONDS = "%Y-%m-%dT%H:%M:%SZ"


def _text_to_number(value: AttributeValue) -> AttributeValue:
    return {"N": format_number(parse_number(value["S"]))}


def _number_to_text(value: AttributeValue) -> AttributeValue:
    return {"S": format_number(parse_number(value["N"]))}


def _epoch_to_iso(value: AttributeValue) -> AttributeValue:
    number = parse_number(value["N"])
    if number != number.to_integral_value():
        raise ValueError("only whole seconds have a counterpart")
    moment = EPOCH + timedelta(seconds=int(number))
    return {"S": f"{moment:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0")}  # some platforms write the year 1 as "1"


def _iso_to_epoch(value: AttributeValue) -> AttributeValue:
    moment = datetime.strptime(value["S"], ISO_SECONDS).replace(tzinfo=UTC)
    elapsed = moment - EPOCH
    return {"N": str(elapsed.days * 86_400 + elapsed.seconds)}


def _base64_to_binary(value: AttributeValue) -> AttributeValue:
    return {"B": base64.b64decode(value["S"], validate=True)}


def _binary_to_base64(value: AttributeValue) -> AttributeValue:
    return {"S": base64.b64encode(value["B"]).decode("ascii")}


def _flag_to_number(value: AttributeValue) -> AttributeValue:
    return {"N": "1" if value["BOOL"] else "0"}


def _number_to_flag(value: AttributeValue) -> AttributeValue:
    return {"BOOL": parse_number(value["N"]) != 0}


def _set_to_list(value: AttributeValue) -> AttributeValue:
    return {"L": [{"S": text} for text in sorted(value["SS"])]}


def _list_to_set(value: AttributeValue) -> AttributeValue:
    return {"SS": sorted(entry["S"] for entry in value["L"])}


text_to_number = Converter("text_to_number", _text_to_number, _number_to_text, ("S", "N"))
number_to_text = Converter("number_to_text", _number_to_text, _text_to_number, ("N", "S"))
epoch_to_iso = Converter("epoch_to_iso", _epoch_to_iso, _iso_to_epoch, ("N", "S"))
iso_to_epoch = Converter("iso_to_epoch", _iso_to_epoch, _epoch_to_iso, ("S", "N"))
base64_to_binary = Converter("base64_to_binary", _base64_to_binary, _binary_to_base64, ("S", "B"))
flag_to_number = Converter("flag_to_number", _flag_to_number, _number_to_flag, ("BOOL", "N"))
set_to_list = Converter("set_to_list", _set_to_list, _list_to_set, ("SS", "L"))


def prepend(prefix: str) -> Converter:
    """A converter that puts a constant text before each text: `convert("order_id", prepend("ORDER#"))`."""
    given: Any = prefix  # migration files are not type-checked
    if not isinstance(given, str) or not given:
        raise MappingInvalid(f"prepend: {prefix!r} is no text of one character or more")

    def forward(value: AttributeValue) -> AttributeValue:
        return {"S": f"{prefix}{value['S']}"}

    def backward(value: AttributeValue) -> AttributeValue:
        text = cast("str", value["S"])
        if not text.startswith(prefix):
            raise ValueError(f"does not begin with {prefix!r}")
        return {"S": text.removeprefix(prefix)}

    return Converter(f"prepend {prefix!r}", forward, backward, ("S", "S"), prefix)
