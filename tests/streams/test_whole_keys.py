"""Stray writes where the new key is an attribute that the item holds: a record's key alone does not tell it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.streams.changes import Change
from crossfade.streams.stamps import found_now, with_whole_key
from crossfade.streams.strays import mappable
from tests.conftest import Database
from tests.core.conftest import Bench
from tests.core.test_whole_keys import BOTH, PLACE, Articles

WRITE = Change("source", PLACE, "MODIFY", 100.0, "", expired=False)


@pytest.fixture
def articles(dynamodb: Database) -> Articles:
    return Articles(Bench(dynamodb.client()), "held")


def test_the_images_of_a_record_tell_the_whole_key(articles: Articles) -> None:
    """Of a deletion too; without them the key is what it was."""
    assert with_whole_key(articles.pair, replace(WRITE, image=articles.old)).key == BOTH
    assert with_whole_key(articles.pair, replace(WRITE, event="REMOVE", image=articles.old)).key == BOTH
    assert with_whole_key(articles.pair, WRITE).key == PLACE
    assert not mappable(articles.pair, PLACE)


def test_without_images_the_item_that_is_there_tells_it(articles: Articles) -> None:
    """Unless it is gone."""
    bench = articles.bench
    assert [change.key for change in bench.run(found_now(articles.pair, [WRITE, WRITE]))] == [BOTH, BOTH]
    _ = bench.client.delete_item(TableName=articles.pair.source.name, Key=PLACE)
    assert [change.key for change in bench.run(found_now(articles.pair, [WRITE]))] == [PLACE]


def test_a_derived_key_needs_no_more(dynamodb: Database) -> None:
    """The old key alone leads to it."""
    articles = Articles(Bench(dynamodb.client()), "derived")
    assert with_whole_key(articles.pair, replace(WRITE, image=articles.old)).key == PLACE
    assert mappable(articles.pair, PLACE)
