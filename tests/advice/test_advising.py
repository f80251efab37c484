"""What is recommended, seen on the model: it removes the throttling that the old key had, and half of it does not."""

from __future__ import annotations

import random
from xml.etree import ElementTree as Tree

import pytest

from crossfade.advice import Access, Advice, Trace, Wanted, advise
from crossfade.advice.advising import CARRIED_MAX, Verdict
from crossfade.advice.designs import AS_IT_IS, Design, DesignKind
from crossfade.advice.logs import read_log
from crossfade.advice.picture import picture
from crossfade.advice.reasons import reasons_of
from crossfade.advice.workloads import generated
from crossfade.core.mapping.piece import KeyPart
from crossfade.errors import ConfigurationError
from crossfade.mapping import suffix
from crossfade.partitions import Place, Topology

SECONDS = 20


def trace_of(hot: int, others: int = 500, *, sort: bool = True, items: int = 100_000) -> Trace:
    """Return writes of 1 KB a second: so many of one key, and of a thousand others together."""
    rng = random.Random(hot)
    accesses: list[Access] = []
    for second in range(SECONDS):
        for number in range(hot + others):
            key = "acme" if number < hot else f"key-{rng.randrange(1_000)}"
            at = second + (number + 0.5) / (hot + others)
            accesses.append(Access(at, "write", key, f"{rng.randrange(items)}" if sort else None, 1_024))
    return Trace("a test", tuple(sorted(accesses)), float(SECONDS))


def advice_on(trace: Trace, **options: object) -> Advice:
    return advise(trace, Wanted(trace.requests_per_second, **options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("hot", "count"), [(1_400, 2), (2_000, 4), (5_000, 8), (6_000, 16)])
@pytest.mark.parametrize("sort", [True, False])
def test_the_recommended_count_carries_and_half_of_it_does_not(hot: int, count: int, sort: bool) -> None:
    """1,000 writes a second and partition, 30 % head-room: so many suffixes and no fewer."""
    found = advice_on(trace_of(hot, sort=sort))
    assert (found.verdict, found.recommended) == (Verdict.CHANGE, Design(DesignKind.COMPUTED, count))
    assert found.candidate(AS_IT_IS).at_target.throttled > 0.05
    assert found.candidate(found.recommended).tried.throttled <= CARRIED_MAX
    assert found.candidate(found.recommended).at_target.throttled == 0.0
    half = AS_IT_IS if count == 2 else Design(DesignKind.COMPUTED, count // 2)
    assert found.candidate(half).tried.throttled > CARRIED_MAX


def test_the_same_on_a_table_played_request_by_request() -> None:
    """Not by the trial, but write after write with the suffixes that the mapping makes: those carry it, half do not."""
    trace = trace_of(5_000)
    count = advice_on(trace).recommended.count

    def refused(of: int) -> int:
        piece, _ = suffix("pk", of, by="sk").bind({"pk": KeyPart("S"), "sk": KeyPart("S")}, {})
        table, lost = Topology(1), 0
        for access in trace.accesses:
            item = {"pk": {"S": access.partition_key}, "sk": {"S": str(access.sort_key)}}
            if access.partition_key == "acme" and of > 1:
                piece.forward(item)
            table_place = Place(item["pk"]["S"])
            if access.at == trace.accesses[0].at:
                table.settle((Place(f"acme#{n}" if of > 1 else "acme"), "write", 5_000.0 / of) for n in range(of))
            lost += table.take(table_place, "write", 1.3, access.at) is not None
        return lost

    assert refused(1) > len(trace.accesses) / 2
    assert refused(count // 2) > len(trace.accesses) / 50
    assert refused(count) <= len(trace.accesses) * 0.01


@pytest.mark.parametrize("target", [500.0, 5_000.0, 50_000.0])
def test_without_a_hot_key_it_says_leave_it(target: float) -> None:
    """Whatever the traffic of the table: keys that are all alike need no suffix."""
    trace = generated("zipf", 1, write_share=0.8, skew=0.0)
    found = advise(trace, Wanted(target))
    assert (found.verdict, found.recommended) == (Verdict.LEAVE, AS_IT_IS)
    assert "only make Queries dearer" in " ".join(reasons_of(found))


@pytest.mark.parametrize("name", ["hot-tenant", "time-series", "zipf"])
def test_each_generated_workload_is_mended(name: str) -> None:
    """At 8,000 requests a second, by as few suffixes as carry it."""
    found = advise(generated(name, 1, write_share=0.9, skew=1.3), Wanted(8_000.0))
    assert found.verdict is Verdict.CHANGE
    assert found.recommended.kind is DesignKind.COMPUTED
    fewer = [each for each in found.candidates if each.design.kind is DesignKind.COMPUTED
             and each.design.count < found.recommended.count]  # fmt: skip
    assert not any(each.carries for each in fewer)


def test_more_head_room_takes_more_suffixes() -> None:
    """The same traffic, with three times as much above it."""
    trace = trace_of(1_400)
    assert advice_on(trace, head_room=0.0).recommended.count == 2
    assert advice_on(trace, head_room=2.0).recommended.count == 8


def test_one_hot_item_is_moved_by_no_computed_suffix() -> None:
    """It follows from the sort key, which is one: random ones carry it, with their price said."""
    found = advice_on(trace_of(3_000, items=1))
    assert not any(each.carries for each in found.candidates if each.design.kind is DesignKind.COMPUTED)
    assert found.recommended.kind is DesignKind.RANDOM
    assert "few items have the heat" in " ".join(reasons_of(found))


def test_reads_of_one_item_are_carried_by_nothing() -> None:
    """Random suffixes would make each read several."""
    accesses = tuple(Access(number / 8_000, "get", "acme", "1", 3_000) for number in range(8_000 * 12))
    found = advise(Trace("a test", accesses, 12.0), Wanted(8_000.0))
    assert found.verdict is Verdict.NOTHING_CARRIES
    assert "on one item" in " ".join(reasons_of(found))


def test_another_attribute_is_tried_and_its_index_counts() -> None:
    """It spreads the writes; with Queries by the old key an index of that is as hot as the table was."""
    lines = ["time,operation,key,bytes,sort,order"]
    lines += [f"{1_000 + n / 2_000},PutItem,acme,500,1,{n}" for n in range(24_000)]
    found = advise(read_log(lines, "a log"), Wanted(2_000.0, attributes=("order",)))
    assert found.recommended == Design(DesignKind.ATTRIBUTE, attribute="order")
    queries = [f"{1_000 + n},Query,acme,5000,," for n in range(12)]
    both = advise(read_log(lines + queries, "a log"), Wanted(2_000.0, attributes=("order",)))
    assert not both.candidate(found.recommended).carries
    with pytest.raises(ConfigurationError, match="no access names the attribute colour"):
        _ = advise(read_log(lines, "a log"), Wanted(2_000.0, attributes=("colour",)))


def test_a_collection_too_large_for_a_local_index_takes_suffixes() -> None:
    """Whatever its traffic; without such an index it may be as large as it is."""
    cold = trace_of(10)
    large = Trace(cold.source, cold.accesses, cold.seconds, collection_bytes={"acme": 30.0 * 1024**3})
    assert advice_on(large).verdict is Verdict.LEAVE
    found = advice_on(large, local_index=True)
    assert (found.verdict, found.recommended.count) == (Verdict.CHANGE, 4)
    assert "too large" in " ".join(reasons_of(found))


def test_the_same_seed_gives_the_same_advice() -> None:
    """To the last figure."""
    trace = generated("hot-tenant", 3, write_share=0.8, skew=1.0)
    assert advise(trace, Wanted(5_000.0)).candidates == advise(trace, Wanted(5_000.0)).candidates


def test_the_picture_is_a_document_with_its_figures() -> None:
    """It can be parsed, and says in words what it draws, for those who do not see it."""
    found = advice_on(trace_of(2_000))
    root = Tree.fromstring(picture(found))  # noqa: S314 - our own
    name = "{http://www.w3.org/2000/svg}"
    description = root.findtext(f"{name}desc") or ""
    assert "4 computed suffixes: 0 % throttled" in description
    assert len(root.findall(f"{name}circle")) == 9 + 1
    assert "4 computed suffixes" in (root.findtext(f"{name}title") or "")


def test_nobody_asks_for_no_traffic() -> None:
    """A target that is none is refused before anything is tried."""
    for target in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(ConfigurationError, match="cannot be tried"):
            _ = Wanted(target)
