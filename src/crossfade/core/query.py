"""Query against the target, as if it were the source: same items, order, pages and counts.

One source partition may be spread over several target partitions (write sharding). Each is queried with the caller's
own sort condition, and the streams are merged by sort key. A page ends where the source's would: after `Limit` items
looked at, or 1 MB of them. Filters and projections are evaluated here over the image, because what a filter drops still
counts towards the page. The token is the source key of the last item looked at, so it is good in every stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from crossfade.core.effects import Call, Forward, Gather, Later, Note, Reply, Request, Routine
from crossfade.core.evaluating import refuse_legacy
from crossfade.core.expressions import KeyCondition, bind, condition, key_condition
from crossfade.core.items import AttributeValue, Item, parse_number, same_item, size_bytes
from crossfade.core.mirroring import shadow_compare
from crossfade.core.pair import Pair, key_name
from crossfade.core.reads import in_callers_capacity, projector, serving_side
from crossfade.core.stages import Row, Side
from crossfade.errors import MappingError, Refused, Rejected

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
PAGE_BYTES_MAX: Final = 1024 * 1024
COMPARED_MAX: Final = 25  # keys of one page that are compared one by one


def query(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One page of a Query by the caller; after the answer, the comparison with the other side."""
    side: Side = row.authority
    asked = None if row.authority == "source" and not row.compare else asked_of(pair, request, row.authority)
    if asked is not None:
        side = serving_side(row, ramp_percent, request, key_name({"": asked.partition}))
    if side == "source":
        reply = yield from Forward()
    else:
        if asked is None:
            raise AssertionError("a request that the target serves has been understood")
        reply = yield from query_target(pair, asked, request)
    if row.compare and asked is not None:
        yield from Later("compare", key_name({"": asked.partition}), compare_page(pair, asked, side, request, reply))
    return reply


@dataclass(frozen=True, slots=True)
class Asked:
    """A Query's meaning, apart from its paging."""

    where: KeyCondition
    partition: AttributeValue
    keep: Callable[[Item], bool]
    project: Callable[[Item], Item]


def asked_of(pair: Pair, request: Request, authority: Side) -> Asked | None:
    """None for what only the source can make sense of, while it is the one that answers."""
    try:
        return understood(pair, request)
    except (Rejected, Refused, MappingError):
        if authority == "source":
            return None
        raise


def understood(pair: Pair, request: Request) -> Asked:
    """Raises Refused for what cannot be asked of the target, Rejected for what DynamoDB would not take either."""
    refuse_legacy(request)
    if "IndexName" in request:
        raise Refused(
            f"a Query of the index {request['IndexName']} cannot be answered from {pair.target.name} yet",
            next_step=f"query an index of {pair.target.name} itself, or stay in a stage that the source serves",
        )
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text: str | None = request.get("FilterExpression")
    keep = None if text is None else condition(text, bindings, kind="FilterExpression")
    where = key_condition(
        request.get("KeyConditionExpression", ""), bindings, key_names=(pair.source.partition_key, pair.source.sort_key)
    )
    project = projector(request, bindings)
    bindings.finish()
    name, partition = where.partition
    if name != pair.source.partition_key:
        text = f"Query condition missed key schema element: {pair.source.partition_key}"
        raise Rejected("ValidationException", text)
    if pair.mapping.sort == "other":
        raise Refused(
            f"a Query of {pair.source.name} cannot be answered from {pair.target.name}:"
            " the sort key is stored in another form, and so in another order",
            next_step="read the items by their whole key, or query the target in its own terms",
        )
    return Asked(where, partition, (lambda image: keep.holds(image)) if keep is not None else (lambda _: True), project)


# --- one target partition, read page by page --------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """What has been fetched of one target partition and not yet merged."""

    request: Request
    held: list[Item] = field(default_factory=list[Item])  # images, the next one last
    ended: bool = False

    def take(self, pair: Pair, partition: AttributeValue, reply: Reply) -> None:
        """A target partition may hold items of other source partitions too."""
        images = (pair.mapping.backward(item) for item in reply["Items"])
        self.held = [image for image in images if image[pair.source.partition_key] == partition][::-1]
        token = reply.get("LastEvaluatedKey")
        self.ended = token is None
        if token is not None:
            self.request = {**self.request, "ExclusiveStartKey": token}

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended


def streams(pair: Pair, asked: Asked, request: Request, size: int | None) -> list[Stream]:
    """A stream for every target partition, each starting behind the caller's token."""
    partitions = pair.mapping.partitions(asked.partition)
    start: Item | None = request.get("ExclusiveStartKey")
    if start is not None and start.get(pair.source.partition_key) != asked.partition:
        text = "The provided starting key is outside query boundaries based on provided conditions"
        raise Rejected("ValidationException", text)
    keep = ("ConsistentRead", "ScanIndexForward", "ReturnConsumedCapacity")
    base: Request = {name: request[name] for name in keep if name in request}
    base["TableName"] = pair.target.name
    if size is not None:
        base["Limit"] = size
    return [Stream({**base, **narrowed(pair, asked, partition, start)}) for partition in partitions]


def narrowed(pair: Pair, asked: Asked, partition: AttributeValue, start: Item | None) -> Request:
    """The key condition, and the token, in terms of one target partition."""
    names = {"#xf_p": pair.target.partition_key}
    values: Item = {":xf_p": partition}
    text = "#xf_p = :xf_p"
    sort = asked.where.sort
    if sort is not None and pair.target.sort_key is not None:
        names["#xf_s"] = pair.target.sort_key
        values |= {f":xf_s{n}": operand for n, operand in enumerate(sort.operands)}
        if sort.operator == "BETWEEN":
            text += " AND #xf_s BETWEEN :xf_s0 AND :xf_s1"
        elif sort.operator == "begins_with":
            text += " AND begins_with(#xf_s, :xf_s0)"
        else:
            text += f" AND #xf_s {sort.operator} :xf_s0"
    request: Request = {
        "KeyConditionExpression": text,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    if start is not None:
        token: Item = {pair.target.partition_key: partition}
        if pair.target.sort_key is not None and pair.source.sort_key is not None:
            token[pair.target.sort_key] = start[pair.source.sort_key]
        request["ExclusiveStartKey"] = token
    return request


# --- the merge --------------------------------------------------------------------------------------------------------


def query_target(pair: Pair, asked: Asked, request: Request) -> Routine[Reply]:
    """One page, merged from every target partition that may hold items of the one asked for."""
    limit: int | None = request.get("Limit")
    count = len(pair.mapping.partitions(asked.partition))
    size = None if limit is None else min(limit, limit // count + 2) if count > 1 else limit
    fan = streams(pair, asked, request, size)
    backwards = request.get("ScanIndexForward") is False
    rank = rank_by(pair.source.sort_key)
    items: list[Item] = []
    looked_at, page_bytes, consumed = 0, 0, list[Reply]()
    last: Item | None = None
    while True:
        hungry = [stream for stream in fan if stream.needs_more]
        if hungry:
            replies = yield from Gather(tuple(Call("target", "Query", stream.request) for stream in hungry))
            for stream, reply in zip(hungry, replies, strict=True):
                stream.take(pair, asked.partition, reply)
                consumed.append(reply)
            continue
        waiting = [stream for stream in fan if stream.held]
        if not waiting:
            last = None
            break
        choose = max if backwards else min
        image = choose(waiting, key=lambda stream: rank(stream.held[-1])).held.pop()
        looked_at += 1
        page_bytes += size_bytes(image)
        if asked.keep(image):
            items.append(image)
        if looked_at == limit or page_bytes >= PAGE_BYTES_MAX:
            last = None if at_bound(pair, asked, image, backwards) else pair.source_key(image)
            break
    return page(pair, asked, request, items, looked_at, last, consumed)


def at_bound(pair: Pair, asked: Asked, image: Item, backwards: bool) -> bool:
    """Whether the item has the very last sort key that the condition lets in: then DynamoDB gives no token."""
    sort = asked.where.sort
    if sort is None or pair.source.sort_key is None or sort.operator not in LAST_INCLUSIVE[backwards]:
        return False
    bound = sort.operands[0] if backwards else sort.operands[-1]
    return same_item({"": image[pair.source.sort_key]}, {"": bound})


LAST_INCLUSIVE: Final = {False: ("<=", "BETWEEN"), True: (">=", "BETWEEN")}  # by whether the query goes backwards


def page(
    pair: Pair, asked: Asked, request: Request, items: list[Item], looked_at: int, last: Item | None, sent: list[Reply]
) -> Reply:
    reply: Reply = {"Count": len(items), "ScannedCount": looked_at}
    if request.get("Select") != "COUNT":
        reply["Items"] = [asked.project(image) for image in items]
    if last is not None:
        reply["LastEvaluatedKey"] = last
    capacities = [part["ConsumedCapacity"] for part in sent if "ConsumedCapacity" in part]
    if capacities:
        total = sum((Decimal(str(part["CapacityUnits"])) for part in capacities), Decimal(0))
        reply["ConsumedCapacity"] = {**capacities[0], "CapacityUnits": as_units(total)}
    return in_callers_capacity(pair, reply)


def as_units(total: Decimal) -> Any:
    """Capacity units as botocore hands them out: the one place where DynamoDB itself speaks in floating point."""
    return float(total)


def rank_by(sort_key: str | None) -> Callable[[Item], Any]:
    """How DynamoDB orders items within a partition: numbers by value, text by UTF-8 bytes, binary by unsigned bytes."""

    def rank(image: Item) -> Any:
        if sort_key is None:
            return 0
        ((kind, value),) = image[sort_key].items()
        return parse_number(value) if kind == "N" else value.encode() if kind == "S" else value

    return rank


# --- the comparison ---------------------------------------------------------------------------------------------------


def compare_page(pair: Pair, asked: Asked, served_by: Side, request: Request, reply: Reply) -> Routine[None]:
    """Ask the other side the same and compare; what differs is then compared key by key, with rechecks."""
    plain = {name: value for name, value in request.items() if name not in ("Select", "ReturnConsumedCapacity")}
    if served_by == "source":
        other = yield from query_target(pair, asked, plain)
    else:
        other = yield from Call("source", "Query", plain)
    served: list[Item] | None = reply.get("Items")
    found: list[Item] = other["Items"]
    if (served == found) if served is not None else (reply["Count"] == other["Count"]):
        yield from Note("compare", {"outcome": "matching"})
        return
    for key in differing(pair, served or [], found)[:COMPARED_MAX]:
        yield from shadow_compare(pair, key)


def differing(pair: Pair, served: list[Item], found: list[Item]) -> list[Item]:
    """The keys that one list has and the other has not, or has with another item. Items without keys say nothing."""
    names = pair.source.key_names
    lists = [[item for item in side if all(name in item for name in names)] for side in (served, found)]
    ours, theirs = ({key_name(pair.source_key(item)): item for item in side} for side in lists)
    return [pair.source_key(item) for name, item in {**theirs, **ours}.items() if ours.get(name) != theirs.get(name)]
