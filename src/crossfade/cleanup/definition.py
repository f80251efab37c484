"""The definition beside a snapshot, tried: restore's own request is made of it, and held against the table it is of.

A snapshot whose items are whole is worth nothing where no table can be made for them. So the request that restore would
send is made here, looked at by the SDK's own model of CreateTable, and compared with what the old table is, as long as
there is one. Throughput, protection, streams and TTL may change while a table is retired, and are not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore.validate import ParamValidator

from crossfade.cleanup.export_format import TABLE, read_table
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.cleanup.storage import Place
from crossfade.cleanup.table import create_request, document_of, key_of, summary_of

NAME: Final = "any-name"
INDEXES: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


@dataclass(frozen=True, slots=True)
class Definition:
    """What was found. `fault` is empty where a table can be made of it; `digest` stands for all that it says."""

    digest: str
    says: str
    fault: str


def try_definition(place: Place, description: Mapping[str, Any] | None) -> Definition:
    """Read the definition beside a snapshot and try it; against the table, where its description is given."""
    try:
        document = read_table(place)
    except SnapshotDamaged as error:
        return Definition("", "", error.message)
    if document is None:
        return Definition("", "", f"{TABLE}: is missing")
    fault = fault_of(document) or ("" if description is None else difference_of(document, description))
    said = "" if fault else summary_of(document)
    return Definition(digest_of(document), said, f"{TABLE}: {fault}" if fault else "")


def sound_table(place: Place) -> dict[str, Any] | None:
    """Return what `read_table` does, where a table can be made of it. Raises SnapshotDamaged."""
    document = read_table(place)
    fault = "" if document is None else fault_of(document)
    if fault:
        raise SnapshotDamaged(TABLE, fault)
    return document


def digest_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def fault_of(document: Mapping[str, Any]) -> str:
    """Say why no table can be made of it; empty where one can."""
    try:
        request = create_request(document, NAME)
        _ = key_of(request), summary_of(document)
        _refuse_unknown_keys(request)
    except KeyError as error:
        return f"does not say {error}"
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        return f"is not what was written: {error}"
    session: Any = botocore.session.Session()
    shape = session.get_service_model("dynamodb").operation_model("CreateTable").input_shape
    validator: Any = ParamValidator()
    report = validator.validate(request, shape)
    return f"makes no table: {report.generate_report().splitlines()[0]}" if report.has_errors() else ""


def difference_of(document: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    """Say what of a sound definition is not as the table is; empty where nothing is."""
    kept, there = _lasting(document["CreateTable"]), _lasting(document_of(description, "")["CreateTable"])
    for name, value in there.items():
        if kept.get(name) != value:
            return f"{name} is {json.dumps(kept.get(name))}, and the table has {json.dumps(value)}"
    more = [name for name in kept if name not in there]
    return f"{more[0]} is in it, and not in the table" if more else ""


def _refuse_unknown_keys(request: Mapping[str, Any]) -> None:
    """Raises KeyError for an attribute of an index's key whose type is not told."""
    types = {each["AttributeName"] for each in request["AttributeDefinitions"]}
    for kind in INDEXES:
        for index in request.get(kind, ()):
            for part in index["KeySchema"]:
                if part["AttributeName"] not in types:
                    raise KeyError(part["AttributeName"])


def _lasting(create: Mapping[str, Any]) -> dict[str, Any]:
    """What of a definition does not change while a table is retired, in an order of its own."""
    kept: dict[str, Any] = {
        "AttributeDefinitions": sorted(create["AttributeDefinitions"], key=lambda each: str(each["AttributeName"])),
        "KeySchema": sorted(create["KeySchema"], key=lambda each: str(each["KeyType"])),
    }
    for kind in INDEXES:
        indexes = [
            {name: value for name, value in each.items() if name != "ProvisionedThroughput"}
            for each in create.get(kind, ())
        ]
        if indexes:
            kept[kind] = sorted(indexes, key=lambda each: str(each["IndexName"]))
    return kept
