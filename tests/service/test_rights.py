"""Rights: who may do what, in the service's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Bench, key, refused
from tests.service.policies import Decision, Wanted, decide, document, like
from tests.service.requests import parts_of
from tests.service.rights import attributes_of

PRINCIPAL = "arn:aws:sts::123456789012:assumed-role/reader/session-1"


def text(error: dict[str, Any]) -> str:
    return str(error["Error"]["Message"])


def test_a_role_of_which_nothing_is_said_may_do_everything(bench: Bench) -> None:
    """The other tests need no policies."""
    client = bench.client("anybody")
    client.put_item(TableName=bench.table, Item=key("a"))
    assert client.get_item(TableName=bench.table, Key=key("a"))["Item"] == key("a")


def test_what_no_policy_allows_is_refused_in_the_words_of_iam(bench: Bench) -> None:
    """The role has no statement about the action."""
    bench.service.role("reader")
    bench.service.allow("reader", "Query", bench.table)
    error = refused(bench.client("reader").get_item, TableName=bench.table, Key=key("a"))
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert text(error) == (
        f"User: {PRINCIPAL} is not authorized to perform: dynamodb:GetItem on resource: {bench.arn} "
        "because no identity-based policy allows the dynamodb:GetItem action"
    )


def test_a_deny_wins_over_an_allow_and_is_told_as_such(bench: Bench) -> None:
    """An explicit deny has other words."""
    bench.service.deny("reader", ["PutItem", "UpdateItem"], bench.table)
    client = bench.client("reader")
    assert "Item" not in client.get_item(TableName=bench.table, Key=key("a"))
    assert text(refused(client.put_item, TableName=bench.table, Item=key("a"))) == (
        f"User: {PRINCIPAL} is not authorized to perform: dynamodb:PutItem on resource: {bench.arn} "
        "with an explicit deny in an identity-based policy"
    )


def test_an_index_is_a_resource_of_its_own(bench: Bench) -> None:
    """A right on the table alone is none on its index, and the other way round."""
    bench.service.role("reader", document("Allow", ["dynamodb:Query"], [bench.arn]))
    client = bench.client("reader")
    of_table: dict[str, Any] = {
        "TableName": bench.table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "a"}},
    }
    of_index = {**of_table, "IndexName": "by-colour", "KeyConditionExpression": "colour = :pk"}
    client.query(**of_table)
    assert f"on resource: {bench.arn}/index/by-colour because" in text(refused(client.query, **of_index))
    bench.service.role("reader", document("Allow", ["dynamodb:Query"], [f"{bench.arn}/index/*"]))
    client.query(**of_index)
    assert f"on resource: {bench.arn} because" in text(refused(client.query, **of_table))


def test_a_transaction_needs_the_rights_of_its_actions(bench: Bench) -> None:
    """TransactWriteItems has no right of its own: each action needs that of its kind, a check ConditionCheckItem."""
    bench.service.role("writer", document("Allow", ["dynamodb:PutItem", "dynamodb:TransactWriteItems"], [bench.arn]))
    client = bench.client("writer")
    put = {"Put": {"TableName": bench.table, "Item": key("a")}}
    check = {"TableName": bench.table, "Key": key("b"), "ConditionExpression": "attribute_not_exists(pk)"}
    client.transact_write_items(TransactItems=[put])
    for name, part, action in (
        ("ConditionCheck", check, "ConditionCheckItem"),
        ("Delete", {"TableName": bench.table, "Key": key("b")}, "DeleteItem"),
        ("Update", {"TableName": bench.table, "Key": key("b")}, "UpdateItem"),
    ):
        error = refused(client.transact_write_items, TransactItems=[put, {name: part}])
        assert f"is not authorized to perform: dynamodb:{action} on resource: {bench.arn}" in text(error)
    get = [{"Get": {"TableName": bench.table, "Key": key("a")}}]
    assert "dynamodb:GetItem on" in text(refused(client.transact_get_items, TransactItems=get))


def test_a_batch_has_a_right_of_its_own(bench: Bench) -> None:
    """PutItem does not stand for BatchWriteItem, nor GetItem for BatchGetItem."""
    bench.service.role("writer", document("Allow", ["dynamodb:PutItem", "dynamodb:GetItem"], ["*"]))
    client = bench.client("writer")
    write = {bench.table: [{"PutRequest": {"Item": key("a")}}]}
    assert "dynamodb:BatchWriteItem on" in text(refused(client.batch_write_item, RequestItems=write))
    read = {bench.table: {"Keys": [key("a")]}}
    assert "dynamodb:BatchGetItem on" in text(refused(client.batch_get_item, RequestItems=read))


@pytest.mark.parametrize(
    ("statement", "action", "suffix"),
    [
        ("SELECT * FROM \"{}\" WHERE pk = 'a'", "PartiQLSelect", ""),
        ('SELECT * FROM "{}"."by-colour" WHERE colour = \'a\'', "PartiQLSelect", "/index/by-colour"),
        ("INSERT INTO \"{}\" VALUE {{'pk': 'a', 'sk': '1'}}", "PartiQLInsert", ""),
        ("UPDATE \"{}\" SET n = 1 WHERE pk = 'a' AND sk = '1'", "PartiQLUpdate", ""),
        ("DELETE FROM \"{}\" WHERE pk = 'a' AND sk = '1'", "PartiQLDelete", ""),
    ],
)
def test_partiql_has_rights_of_its_own(bench: Bench, statement: str, action: str, suffix: str) -> None:
    """By the statement's verb, alone, in a batch, and in a transaction."""
    bench.service.role("reader", document("Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["*"]))
    client = bench.client("reader")
    given = {"Statement": statement.format(bench.table)}
    for error in (
        refused(client.execute_statement, **given),
        refused(client.batch_execute_statement, Statements=[given]),
        refused(client.execute_transaction, TransactStatements=[given]),
    ):
        assert f"perform: dynamodb:{action} on resource: {bench.arn}{suffix} because" in text(error)


def test_leading_keys_bound_which_items_a_role_may_touch(bench: Bench) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html: one tenant."""
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["tenant-1*"]}}
    bench.service.role("tenant")
    bench.service.allow("tenant", "*", bench.table, condition=condition)
    client = bench.client("tenant")
    client.put_item(TableName=bench.table, Item=key("tenant-1.a"))
    assert refused(client.get_item, TableName=bench.table, Key=key("tenant-2"))["Error"]["Code"] == (
        "AccessDeniedException"
    )
    keys = {bench.table: {"Keys": [key("tenant-1"), key("tenant-2")]}}
    assert "BatchGetItem" in text(refused(client.batch_get_item, RequestItems=keys))
    query: dict[str, Any] = {"TableName": bench.table, "KeyConditionExpression": "#p = :p and sk > :s"}
    query["ExpressionAttributeNames"] = {"#p": "pk"}
    of_one = {":p": {"S": "tenant-1"}, ":s": {"S": "0"}}
    client.query(**query, ExpressionAttributeValues=of_one)
    of_other = {":p": {"S": "tenant-2"}, ":s": {"S": "0"}}
    assert "dynamodb:Query" in text(refused(client.query, **query, ExpressionAttributeValues=of_other))


def test_attributes_bound_what_a_role_may_see(bench: Bench) -> None:
    """The same page, on dynamodb:Attributes."""
    condition = {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "colour"]}}
    bench.service.role("reader")
    bench.service.allow("reader", "GetItem", bench.table, condition=condition)
    client = bench.client("reader")
    request = {"TableName": bench.table, "Key": key("a"), "ProjectionExpression": "colour"}
    client.get_item(**request)
    assert "GetItem" in text(refused(client.get_item, **{**request, "ProjectionExpression": "colour, secret"}))


def test_streams_are_resources_of_their_own(bench: Bench) -> None:
    """A right on the table does not reach its stream."""
    bench.service.role("reader", document("Allow", ["dynamodb:*"], [bench.arn]))
    stream = bench.client().describe_table(TableName=bench.table)["Table"]["LatestStreamArn"]
    assert stream.startswith(f"{bench.arn}/stream/20")
    error = refused(bench.streams("reader").describe_stream, StreamArn=stream)
    assert f"dynamodb:DescribeStream on resource: {stream} because" in text(error)
    bench.service.allow("reader", ["DescribeStream", "GetShardIterator"], bench.table)
    client = bench.streams("reader")
    (shard,) = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterator = client.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    error = refused(client.get_records, ShardIterator=iterator)
    assert f"dynamodb:GetRecords on resource: {stream} because" in text(error)


def test_rights_on_tables_are_by_the_name_of_the_operation(bench: Bench) -> None:
    """DescribeTable is on the table, ListTables on everything."""
    bench.service.role("reader")
    client = bench.client("reader")
    described = text(refused(client.describe_table, TableName=bench.table))
    assert f"dynamodb:DescribeTable on resource: {bench.arn} because" in described
    assert "dynamodb:ListTables on resource: * because" in text(refused(client.list_tables))


def test_expired_credentials_are_told_before_rights(bench: Bench) -> None:
    """Those of a session expire; new ones of the same role are good."""
    bench.service.role("reader")
    former = bench.client("reader")
    bench.service.expire("reader")
    error = refused(former.get_item, TableName=bench.table, Key=key("a"))
    assert error["Error"] == {
        "Code": "ExpiredTokenException",
        "Message": "The security token included in the request is expired",
    }
    bench.service.renew("reader")
    bench.service.allow("reader", "GetItem")
    bench.client("reader").get_item(TableName=bench.table, Key=key("a"))
    assert refused(former.list_tables)["Error"]["Code"] == "ExpiredTokenException"
    bench.service.revive("reader")
    former.get_item(TableName=bench.table, Key=key("a"))


GET = Wanted("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:123456789012:table/orders")


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({"Effect": "Allow", "Action": "*", "Resource": "*"}, Decision.ALLOWED),
        ({"Effect": "Allow", "Action": "DYNAMODB:get*", "Resource": "*"}, Decision.ALLOWED),
        ({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*:table/ORDERS"}, Decision.NOT_ALLOWED),
        ({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*:table/order?"}, Decision.ALLOWED),
        ({"Effect": "Allow", "NotAction": "dynamodb:GetItem", "Resource": "*"}, Decision.NOT_ALLOWED),
        ({"Effect": "Deny", "Action": "dynamodb:*", "NotResource": "*:table/other"}, Decision.DENIED),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"a:b": "c"}}},
            Decision.NOT_ALLOWED,
        ),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEqualsIfExists": {"a:b": "c"}}},
            Decision.ALLOWED,
        ),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"a:b": "c"}}},
            Decision.ALLOWED,
        ),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "*",
             "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["x"]}}},
            Decision.ALLOWED,
        ),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "*",
             "Condition": {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactGetItems"]}}},
            Decision.NOT_ALLOWED,
        ),
    ],
)  # fmt: skip
def test_statements_apply_as_iam_documents_it(statement: dict[str, Any], decision: Decision) -> None:
    """Wildcards, NotAction, NotResource, and conditions whose key a request does not have."""
    assert decide([{"Statement": statement}], GET) is decision


def test_of_a_pattern_everything_but_its_wildcards_is_meant_literally() -> None:
    """A dot is a dot."""
    assert like("a.b*", "a.bc")
    assert not like("a.b*", "axbc")


def test_the_attributes_of_a_request_are_the_top_level_ones_that_it_names() -> None:
    """Names in expressions are looked up; functions, keywords and values are none."""
    request = {
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "SET #n = if_not_exists(total, :zero) + :one, lines[0].price = :p REMOVE old",
        "ConditionExpression": "attribute_exists(pk) AND NOT #n IN (:a)",
        "ExpressionAttributeNames": {"#n": "count"},
    }
    assert attributes_of(request) == {"pk", "count", "total", "lines", "old"}


def test_a_statement_that_is_none_is_the_engines_to_refuse(bench: Bench) -> None:
    """Nothing is made of it here."""
    assert refused(bench.client().execute_statement, Statement="HELLO")["Error"]["Code"] == "ValidationException"
    assert parts_of("ExecuteStatement", {"Statement": "HELLO"})[0].table == ""
