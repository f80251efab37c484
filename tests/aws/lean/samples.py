"""Requests and answers of every operation: recorded ones, and strategies that make up others."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final, cast

from hypothesis import strategies as st

Sample = dict[str, Any]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # JSON has no lone surrogates
names = st.sampled_from(["a", "B", "BS", "S", "pk", "ü", "x y", "💡"]) | texts
numbers = st.integers(-(10**37), 10**37).map(str) | st.sampled_from(["1.50", "-0", "1E-130", "9.9E+125"])
binaries = st.binary(max_size=12)


def of(kind: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    return inner.map(lambda value: {kind: value})


def merged(*parts: Sample) -> Sample:
    return {name: value for part in parts for name, value in part.items()}


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return of("M", st.dictionaries(names, inner, max_size=3)) | of("L", st.lists(inner, max_size=3))


scalars: st.SearchStrategy[Any] = st.one_of(
    of("S", texts),
    of("N", numbers),
    of("B", binaries),
    of("BOOL", st.booleans()),
    of("NULL", st.just(value=True)),
    of("SS", st.lists(texts, min_size=1, max_size=3)),
    of("NS", st.lists(numbers, min_size=1, max_size=3)),
    of("BS", st.lists(binaries, min_size=1, max_size=3)),
)
values: st.SearchStrategy[Any] = st.recursive(scalars, wrapped, max_leaves=8)
items: st.SearchStrategy[Any] = st.dictionaries(names, values, max_size=5)
tables = st.sampled_from(["table", "Orders-2", "arn:aws:dynamodb:eu-west-1:123456789012:table/other"])
expressions = st.fixed_dictionaries(
    {},
    optional={
        "ExpressionAttributeNames": st.just({"#B": "B", "#n": "ü"}),
        "ExpressionAttributeValues": st.dictionaries(st.sampled_from([":a", ":b"]), values, min_size=1),
        "ReturnConsumedCapacity": st.just("TOTAL"),
    },
)


def single(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    return st.builds(merged, st.fixed_dictionaries({"TableName": tables, **parts}), expressions)


def plain(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    return st.fixed_dictionaries(parts)


def a_few(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(inner, min_size=1, max_size=3)


flags = st.booleans()


def action(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    return plain(TableName=tables, **parts)


actions = st.one_of(
    of("Put", action(Item=items, ReturnValuesOnConditionCheckFailure=st.just("ALL_OLD"))),
    of("Delete", action(Key=items)),
    of("Update", action(Key=items, UpdateExpression=st.just("REMOVE a"))),
    of("ConditionCheck", action(Key=items, ConditionExpression=st.just("attribute_exists(a)"))),
)
writes = of("PutRequest", of("Item", items)) | of("DeleteRequest", of("Key", items))

REQUESTS: Final[dict[str, st.SearchStrategy[Sample]]] = {
    "GetItem": plain(TableName=tables, Key=items, ConsistentRead=flags, ExpressionAttributeNames=st.just({"#B": "B"})),
    "PutItem": single(Item=items, ReturnValues=st.just("ALL_OLD")),
    "UpdateItem": single(Key=items, UpdateExpression=st.just("SET a = :a")),
    "DeleteItem": single(Key=items),
    "Query": single(KeyConditionExpression=st.just("pk = :a"), ExclusiveStartKey=items, Limit=st.integers(1, 1000)),
    "Scan": single(Segment=st.integers(0, 3), TotalSegments=st.just(4), ExclusiveStartKey=items),
    "BatchGetItem": plain(
        RequestItems=st.dictionaries(tables, plain(Keys=a_few(items), ConsistentRead=flags), min_size=1)
    ),
    "BatchWriteItem": plain(RequestItems=st.dictionaries(tables, a_few(writes), min_size=1)),
    "TransactGetItems": plain(TransactItems=a_few(plain(Get=plain(TableName=tables, Key=items)))),
    "TransactWriteItems": plain(TransactItems=a_few(actions), ClientRequestToken=st.just("token")),
    "BatchExecuteStatement": plain(Statements=a_few(plain(Statement=st.just("SELECT"), Parameters=a_few(values)))),
    "DescribeTable": plain(TableName=tables),
    "GetRecords": plain(ShardIterator=st.text("abc|", min_size=1), Limit=st.integers(1, 1000)),
    "GetShardIterator": plain(
        StreamArn=st.just("arn:aws:dynamodb:eu-west-1:123456789012:table/table/stream/2026-01-01T00:00:00.000"),
        ShardId=st.just("shardId-000000000000000000001"),
        ShardIteratorType=st.just("TRIM_HORIZON"),
    )
    | plain(
        StreamArn=st.just("arn:aws:dynamodb:eu-west-1:123456789012:table/table/stream/2026-01-01T00:00:00.000"),
        ShardId=st.just("shardId-000000000000000000001"),
        ShardIteratorType=st.just("AFTER_SEQUENCE_NUMBER"),
        SequenceNumber=st.from_regex(r"[0-9]{21,40}", fullmatch=True),
    ),
    "DescribeStream": plain(
        StreamArn=st.just("arn:aws:dynamodb:eu-west-1:123456789012:table/table/stream/2026-01-01T00:00:00.000"),
        Limit=st.integers(1, 100),
    )
    | plain(
        StreamArn=st.just("arn:aws:dynamodb:eu-west-1:123456789012:table/table/stream/2026-01-01T00:00:00.000"),
        ExclusiveStartShardId=st.just("shardId-000000000000000000001"),
    ),
    "ListStreams": plain(TableName=st.just("table"), Limit=st.integers(1, 100)),
    "UpdateTable": plain(
        TableName=tables, StreamSpecification=st.just({"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    ),
}
STREAMS: Final = frozenset({"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"})


def on_the_wire(value: Any) -> Any:
    """Binary as base64: what the service's JSON holds."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: on_the_wire(inner) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [on_the_wire(each) for each in cast("Sequence[Any]", value)]
    return value


counts = st.integers(0, 1000)
capacity = st.just(
    {
        "TableName": "table",
        "CapacityUnits": 1.5,
        "Table": {"CapacityUnits": 1.0},
        "GlobalSecondaryIndexes": {"B": {"CapacityUnits": 0.5}},
    }
)
collection = plain(ItemCollectionKey=items, SizeEstimateRangeGB=st.just([0.0, 1.0]))
moments = st.integers(0, 2**31) | st.floats(0, 2**31, allow_nan=False).map(lambda number: round(number, 3))
records = plain(
    eventID=st.just("e"),
    eventName=st.just("INSERT"),
    dynamodb=plain(ApproximateCreationDateTime=moments, Keys=items, NewImage=items, SequenceNumber=st.just("1")),
    userIdentity=st.just({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}),
)


def answer(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Sample]:
    """Every part may be missing, or null, and there may be one that no model knows yet."""
    optional = {name: part | st.none() for name, part in parts.items()}
    return st.fixed_dictionaries({}, optional={**optional, "NewsOfTheService": st.just({"a": [1, None]})})


shards: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"ShardId": st.just("s")},
    optional={
        "ParentShardId": st.just("p"),
        "SequenceNumberRange": st.fixed_dictionaries(
            {"StartingSequenceNumber": st.just("100000000000000000001")},
            optional={"EndingSequenceNumber": st.just("200000000000000000001")},
        ),
    },
)
ANSWERS: Final[dict[str, st.SearchStrategy[Sample]]] = {
    "GetItem": answer(Item=items, ConsumedCapacity=capacity),
    "PutItem": answer(Attributes=items, ConsumedCapacity=capacity, ItemCollectionMetrics=collection),
    "UpdateItem": answer(Attributes=items, ConsumedCapacity=capacity, ItemCollectionMetrics=collection),
    "DeleteItem": answer(Attributes=items, ConsumedCapacity=capacity, ItemCollectionMetrics=collection),
    "Query": answer(Items=st.lists(items, max_size=3), Count=counts, ScannedCount=counts, LastEvaluatedKey=items),
    "Scan": answer(Items=st.lists(items, max_size=3), Count=counts, ScannedCount=counts, LastEvaluatedKey=items),
    "BatchGetItem": answer(
        Responses=st.dictionaries(names, st.lists(items, max_size=3), max_size=2),
        UnprocessedKeys=st.dictionaries(
            names, plain(Keys=a_few(items), AttributesToGet=st.just(["B", "BS"])), max_size=2
        ),
        ConsumedCapacity=st.lists(capacity, max_size=2),
    ),
    "BatchWriteItem": answer(
        UnprocessedItems=st.dictionaries(names, a_few(writes), max_size=2),
        ItemCollectionMetrics=st.dictionaries(names, st.lists(collection, max_size=2), max_size=2),
    ),
    "TransactGetItems": answer(Responses=st.lists(st.fixed_dictionaries({}, optional={"Item": items}), max_size=3)),
    "TransactWriteItems": answer(ConsumedCapacity=st.lists(capacity, max_size=2)),
    "BatchExecuteStatement": answer(
        Responses=st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "Item": items,
                    "TableName": names,
                    "Error": st.just({"Code": "DuplicateItem", "Message": "m"}),
                },
            ),
            max_size=3,
        )
    ),
    "DescribeTable": answer(
        Table=st.fixed_dictionaries(
            {"TableName": names, "CreationDateTime": moments},
            optional={"ItemCount": counts, "ProvisionedThroughput": plain(LastIncreaseDateTime=moments)},
        )
    ),
    "GetRecords": answer(Records=st.lists(records, max_size=3), NextShardIterator=texts),
    "GetShardIterator": answer(ShardIterator=texts),
    "DescribeStream": answer(
        StreamDescription=st.fixed_dictionaries(
            {"CreationRequestDateTime": moments, "Shards": st.lists(shards, max_size=3)},
            optional={"LastEvaluatedShardId": st.just("s"), "StreamStatus": st.sampled_from(["ENABLED", "DISABLED"])},
        )
    ),
    "ListStreams": answer(
        Streams=st.just([{"StreamArn": "arn", "TableName": "table", "StreamLabel": "l"}]), LastEvaluatedStreamArn=texts
    ),
    "UpdateTable": answer(
        TableDescription=st.fixed_dictionaries(
            {"TableName": names, "CreationDateTime": moments},
            optional={"StreamSpecification": st.just({"StreamEnabled": True}), "LatestStreamArn": texts},
        )
    ),
}

namespaces = st.sampled_from(["", "com.amazonaws.dynamodb.v20120810#", "com.amazon.coral.validate#"])
codes = st.sampled_from(
    [
        "ConditionalCheckFailedException",
        "ValidationException",
        "TransactionCanceledException",
        "ProvisionedThroughputExceededException",
        "ItemCollectionSizeLimitExceededException",
        "TrimmedDataAccessException",
        "ExpiredIteratorException",
        "AccessDeniedException:http://internal.amazon.com/coral/",
        "InternalServerError",
        "NeverHeardOfException",
    ]
)
messages: st.SearchStrategy[Sample] = st.sampled_from(
    [{"message": "m"}, {"Message": "M"}, {"message": "m", "Message": "M"}, {}]
)
reason_codes = st.sampled_from(["None", "ConditionalCheckFailed"])
reasons: st.SearchStrategy[Any] = st.lists(plain(Code=reason_codes) | plain(Code=reason_codes, Item=items), max_size=3)
errors: st.SearchStrategy[Sample] = st.builds(
    merged,
    of("__type", st.tuples(namespaces, codes).map("".join)),
    messages,
    st.fixed_dictionaries({}, optional={"Item": items, "CancellationReasons": reasons}),
)

# As servers of the protocol have been seen to send them.
RECORDED_ANSWERS: Final[list[tuple[str, int, bytes]]] = [
    ("GetItem", 200, b"{}"),
    ("GetItem", 200, b'{"Item":{"B":{"B":"eAA="},"pk":{"S":"a"},"s":{"BS":["YQ==","Yg=="]}}}'),
    ("PutItem", 200, b'{"ConsumedCapacity":{"TableName":"ttt1","CapacityUnits":1.0}}'),
    (
        "PutItem",
        400,
        (
            b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",'
            b'"Message":"The conditional request failed","Item":{"B":{"B":"eAA="},"pk":{"S":"a"}}}'
        ),
    ),
    (
        "TransactWriteItems",
        400,
        (
            b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction '
            b'cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed]",'
            b'"CancellationReasons":[{"Item":{"B":{"B":"eAA="}},"Code":"ConditionalCheckFailed",'
            b'"Message":"The conditional request failed"}]}'
        ),
    ),
    ("GetItem", 400, b'{"__type":"com.amazon.coral.service#SerializationException"}'),
    (
        "GetItem",
        400,
        b'{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected"}',
    ),
    (
        "Scan",
        500,
        b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"Internal server error"}',
    ),
    ("Scan", 503, b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"),
    ("Scan", 502, b""),
    ("Scan", 413, b""),
    ("Scan", 400, b"not JSON"),
    ("Scan", 301, b"moved"),
    ("Query", 200, b'{"Items": [{"b": {"B": "YQ=="}}], "Count": 1, "ScannedCount": 1}'),
]
