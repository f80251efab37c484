"""What the guide of boto3 shows of DynamoDB gives, in every stage of a migration, what it gives on one plain table.

The examples are those every user of boto3 has begun with
(https://boto3.amazonaws.com/v1/documentation/api/latest/guide/dynamodb.html), written anew for a library's books, with
the low-level client, the paginators, the transactions and the legacy parameters beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import pytest

from tests.clients.conftest import Emptied, Library
from tests.clients.guide_reads import READS
from tests.clients.guide_writes import WRITES

Example = Callable[[Library], list[Any]]


@cache
def on_a_plain_table(plain: Emptied, example: Example) -> list[Any]:
    seen: list[Any] = same_names(plain.fresh(example), plain.library)
    return seen


def same_names(seen: Any, library: Library) -> Any:
    """The tables' names are the only difference that two libraries may show."""
    if isinstance(seen, dict):
        given: dict[str, Any] = cast("Any", seen)
        return {same_names(name, library): same_names(value, library) for name, value in given.items()}
    if isinstance(seen, list):
        members: list[Any] = cast("Any", seen)
        return [same_names(each, library) for each in members]
    if isinstance(seen, str):
        return seen.replace(library.books, "BOOKS").replace(library.readers, "READERS")
    return seen


@pytest.mark.parametrize("example", [*WRITES, *READS], ids=lambda example: example.__name__)
def test_an_example_of_the_guide(plain_library: Emptied, migrating_library: Emptied, example: Example) -> None:
    """The same answers, errors and pages; both tables are equal afterwards, and nothing was lost on the way."""
    expected = on_a_plain_table(plain_library, example)
    assert same_names(migrating_library.fresh(example), migrating_library.library) == expected
