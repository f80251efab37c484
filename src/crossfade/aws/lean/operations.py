"""What the service's model says of an operation; looked up once for each.

The model is botocore's, and so is the list of names that an answer may have: what a newer service adds is dropped
here as it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.request.names import READS
from crossfade.errors import ConfigurationError

# Reads of streams and tables: nothing changes when they are carried out twice.
REPEATABLE: Final = READS | {"DescribeTable", "GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"}
STREAMS: Final = frozenset({"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"})


@dataclass(frozen=True, slots=True, eq=False)
class LeanOperation:
    name: str
    model: Any  # botocore's OperationModel
    target: str  # the X-Amz-Target header
    content_type: str
    repeatable: bool  # whether it may be sent again although it may have been carried out
    members: frozenset[str]  # the names that an answer may have
    timestamps: bool  # whether an answer holds moments, which botocore hands out as datetime
    token_member: str  # the idempotency token that botocore fills in where the caller gave none; "" for none


def operation_of(service_model: Any, name: str) -> LeanOperation:
    """Describe an operation of botocore's ServiceModel. Raises ConfigurationError for an unknown name."""
    if name not in service_model.operation_names:
        raise ConfigurationError(f"{service_model.service_name} has no operation {name!r}")
    model = service_model.operation_model(name)
    metadata = service_model.metadata
    output = model.output_shape
    return LeanOperation(
        name=name,
        model=model,
        target=f"{metadata['targetPrefix']}.{name}",
        content_type=f"application/x-amz-json-{metadata['jsonVersion']}",
        repeatable=name in REPEATABLE,
        members=frozenset(output.members) if output is not None else frozenset(),
        timestamps=output is not None and _holds_timestamps(output, set()),
        token_member=next(iter(model.idempotent_members), ""),
    )


def _holds_timestamps(shape: Any, seen: set[str]) -> bool:
    """Attribute values are recursive."""
    if shape.type_name == "timestamp":
        return True
    if shape.name in seen:
        return False
    seen.add(shape.name)
    if shape.type_name == "structure":
        return any(_holds_timestamps(member, seen) for member in shape.members.values())
    if shape.type_name == "list":
        return _holds_timestamps(shape.member, seen)
    return shape.type_name == "map" and _holds_timestamps(shape.value, seen)
