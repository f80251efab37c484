"""Which rights a request needs, and of which role the caller is.

The actions are those of https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html. A
transaction needs the actions of its parts (PutItem, UpdateItem, DeleteItem, ConditionCheckItem, GetItem) and none of
its own: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html. A batch has its
own. PartiQL has PartiQLSelect, PartiQLInsert, PartiQLUpdate and PartiQLDelete, on the table or on the index that is
read: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.service.answers import Answer, Body, access_denied, expired_token
from tests.service.policies import EVERYTHING, Decision, Document, Wanted, decide, document
from tests.service.requests import Part, Received, table_name

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
TABLES: Final = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/"

ON_ANY: Final = frozenset({"ListTables", "DescribeLimits", "DescribeEndpoints", "ListBackups", "ListGlobalTables"})
TRANSACTIONS: Final = frozenset({"TransactWriteItems", "TransactGetItems", "ExecuteTransaction"})
NAMES: Final = re.compile(r"(?<![:\w])#?[A-Za-z_]\w*")
# What is no name of an attribute in an expression. Functions are told by what follows them.
KEYWORDS: Final = frozenset(["SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"])


def arn_of(table: str, index: str = "") -> str:
    return f"{TABLES}{table}" + (f"/index/{index}" if index else "")


@dataclass
class Role:
    """A role with its policies. A session of it is known by access key ids that begin with its name."""

    name: str
    policies: list[Document] = field(default_factory=list[Document])
    expired: set[str] = field(default_factory=set[str])
    sessions: int = 1

    @property
    def key_id(self) -> str:
        """Return the access key id of the session that is given out now; the first has the role's own name."""
        return self.name if self.sessions == 1 else f"{self.name}.{self.sessions}"

    @property
    def principal(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/session-{self.sessions}"


class Roles:
    """All roles. One that nothing was said of may do everything."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self.asked: set[tuple[str, str, str]] = set()  # role, action and resource, of each role that has policies

    def named(self, name: str) -> Role:
        if name not in self._roles:
            self._roles[name] = Role(name, [EVERYTHING])
        return self._roles[name]

    def of_key(self, key_id: str) -> Role:
        return self.named(key_id.partition(".")[0])

    def add(
        self, name: str, effect: str, actions: Sequence[str], resources: Sequence[str], condition: Document | None
    ) -> None:
        self.named(name).policies.append(document(effect, [whole(each) for each in actions], resources, condition))

    def refusal(self, received: Received, hash_names: Mapping[tuple[str, str], str], stream: str = "") -> Answer | None:
        """Return what the service says to a caller whose time is over or who may not, or None.

        `hash_names`: the partition key's name by table and index. `stream`: the ARN of the stream that is asked.
        """
        role = self.of_key(received.key_id)
        if received.key_id in role.expired:
            return expired_token()
        if role.policies == [EVERYTHING]:
            return None
        for wanted in wanted_by(received, hash_names, stream):
            self.asked.add((role.name, wanted.action, wanted.resource))
            decision = decide(role.policies, wanted)
            if decision is not Decision.ALLOWED:
                explicitly = decision is Decision.DENIED
                return access_denied(role.principal, wanted.action, wanted.resource, explicitly=explicitly)
        return None


def whole(action: str) -> str:
    return action if ":" in action else f"dynamodb:{action}"


def resources_of(table: str | None, index: str | None = None) -> list[str]:
    """Return the ARNs of a table with all its indexes and streams, of an index alone, or of everything."""
    if table is None:
        return ["*"]
    if index is not None:
        return [arn_of(table, index)]
    return [arn_of(table), arn_of(table) + "/*"]


def wanted_by(received: Received, hash_names: Mapping[tuple[str, str], str], stream: str = "") -> Iterator[Wanted]:
    """Yield each action on each resource that the request needs, once."""
    if not received.parts:
        yield Wanted(whole(received.operation), stream or _resource(received))
        return
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in received.parts:
        groups.setdefault((part.action, arn_of(part.table, part.index)), []).append(part)
    for (action, resource), parts in groups.items():
        yield Wanted(whole(action), resource, facts_of(received.operation, parts, hash_names))


def _resource(received: Received) -> str:
    if received.of_streams:
        table = received.body.get("TableName")
        return f"{TABLES}{table_name(str(table)) if table else '*'}/stream/*"
    given = received.body.get("TableName") or received.body.get("ResourceArn")
    return "*" if received.operation in ON_ANY or not given else arn_of(table_name(str(given)))


def facts_of(
    operation: str, parts: Sequence[Part], hash_names: Mapping[tuple[str, str], str]
) -> dict[str, Sequence[str]]:
    """Return the condition keys of a request: values of partition keys, attributes that it names, what encloses it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    facts: dict[str, Sequence[str]] = {}
    leading = [
        str(next(iter(part.item[name].values())))
        for part in parts
        if (name := hash_names.get((part.table, part.index))) is not None and name in part.item
    ]
    if leading:
        facts["dynamodb:LeadingKeys"] = leading
    attributes = {name for part in parts for name in attributes_of(part.request)}
    if attributes:
        facts["dynamodb:Attributes"] = sorted(attributes)
    if "Select" in parts[0].request:
        facts["dynamodb:Select"] = [str(parts[0].request["Select"])]
    if operation in TRANSACTIONS:
        facts["dynamodb:EnclosingOperation"] = [operation]
    return facts


def attributes_of(request: Body) -> set[str]:
    """Return the top-level attributes that a request names, in its items, keys, lists and expressions."""
    names: Body = request.get("ExpressionAttributeNames") or {}
    found: set[str] = set(request.get("AttributesToGet") or ())
    for member in ("Item", "Key", "Expected", "AttributeUpdates", "QueryFilter", "ScanFilter", "KeyConditions"):
        found |= set(request.get(member) or ())
    for member in ("Projection", "Update", "Condition", "Filter", "KeyCondition"):
        text = str(request.get(f"{member}Expression") or "")
        for match in NAMES.finditer(text):
            word, before, after = match[0], text[: match.start()].rstrip()[-1:], text[match.end() :].lstrip()[:1]
            if before != "." and after != "(" and word.upper() not in KEYWORDS:
                found.add(names.get(word, word))
    return found
