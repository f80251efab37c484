"""Why a design is recommended, in words."""

from __future__ import annotations

from collections.abc import Iterator

from crossfade.advice.advising import CARRIED_MAX, Advice, Candidate, Verdict
from crossfade.advice.designs import AS_IT_IS, Design, DesignKind
from crossfade.partitions.limits import COLLECTION_BYTES_MAX, READ_UNITS_MAX, WRITE_UNITS_MAX


def reasons_of(advice: Advice) -> tuple[str, ...]:
    """Return the reasons, the weightiest first."""
    return tuple(_reasons(advice))


def percent(share: float) -> str:
    """`0 %`, `0.03 %`, `42 %`: never nothing for what is little."""
    value = share * 100
    return f"{value:.0f} %" if value >= 10 or not value else f"{value:.1f} %" if value >= 0.1 else f"{value:.2g} %"


def _reasons(advice: Advice) -> Iterator[str]:
    hottest, now = advice.keys[0], advice.candidate(AS_IT_IS)
    load = (
        f"{advice.wanted.requests_per_second:,.0f} requests a second and {percent(advice.wanted.head_room)} head-room"
    )
    yield (
        f"The hottest of {advice.key_count:,} keys, {hottest.name}, has {percent(hottest.share)} of the traffic: on"
        f" average {hottest.writes:,.0f} write units and {hottest.reads:,.0f} read units a second, of the"
        f" {WRITE_UNITS_MAX:,.0f} and {READ_UNITS_MAX:,.0f} that one partition gives."
    )
    yield from _of_sizes(advice)
    match advice.verdict:
        case Verdict.LEAVE:
            yield (
                f"With {load} the key as it is has {percent(now.tried.throttled)} throttled; the most used partition is"
                f" used to {percent(now.tried.peak)} in its worst second. A suffix would only make Queries dearer."
            )
        case Verdict.CHANGE:
            yield from _of_change(advice, load)
        case Verdict.NOTHING_CARRIES:
            best = min(advice.candidates, key=lambda each: each.tried.throttled)
            yield (
                f"With {load} the key as it is has {percent(now.tried.throttled)} throttled, and the best that was"
                f" tried, {best.design}, still {percent(best.tried.throttled)}."
            )
            yield from _of_single_items(advice)
    yield from _of_splits(advice, now)


def _of_sizes(advice: Advice) -> Iterator[str]:
    sizes = advice.trace.collection_bytes
    if not sizes:
        return
    largest = max(sizes, key=lambda key: sizes[key])
    share = sizes[largest] / COLLECTION_BYTES_MAX
    bound = (
        "which a local secondary index allows to no more than 10 GB" if advice.wanted.local_index
        else "which is bounded only where the table has a local secondary index"
    )  # fmt: skip
    yield (
        f"The largest item collection, {largest}, holds some {sizes[largest] / 1024**2:,.1f} MB, {percent(share)} of"
        f" 10 GB, {bound}."
    )


def _of_change(advice: Advice, load: str) -> Iterator[str]:
    chosen, now = advice.candidate(advice.recommended), advice.candidate(AS_IT_IS)
    design = chosen.design
    yield (
        f"With {load} the key as it is has {percent(now.tried.throttled)} throttled; with {design} it is"
        f" {percent(chosen.tried.throttled)}, and the most used partition is used to {percent(chosen.tried.peak)} in"
        " its worst second."
    )
    if design.count > 2:
        half = advice.candidate(Design(design.kind, design.count // 2))
        why = (
            f"would still have {percent(half.tried.throttled)} throttled" if half.tried.throttled > CARRIED_MAX
            else "would leave an item collection too large"
        )  # fmt: skip
        yield f"Half as many, {half.design.count}, {why}; twice as many would make Queries dearer and nothing better."
    yield _of_query(now, chosen)
    match design.kind:
        case DesignKind.COMPUTED:
            yield (
                f'In a mapping: suffix("KEY", count={design.count}). It follows from the sort key, so one item is still'
                " found with one request."
            )
        case DesignKind.RANDOM:
            yield (
                f"Computed suffixes do not carry it, since few items have the heat. With random ones an item has up to"
                f" {design.count} places: a read asks all of them, a counter is their sum, and a write that is sent"
                " again may land elsewhere. No piece of a mapping makes them: the application has to."
            )
        case DesignKind.ATTRIBUTE:
            yield (
                f"{design.attribute} spreads the traffic by itself. Whoever knows only the old key needs an index of"
                " it, whose partitions have the same limits."
            )
        case DesignKind.NONE:
            pass


def _of_query(now: Candidate, chosen: Candidate) -> str:
    before, after = now.query, chosen.query
    rounds = "one round" if after.round_trips == 1 else f"{after.round_trips:,} rounds"
    return (
        f"A Query of a whole key then sends {after.requests:,} requests where it sent {before.requests:,}, in"
        f" {rounds} sent at once, and reads {after.read_units:,.1f} units where it read"
        f" {before.read_units:,.1f}; p50 {before.p50_ms:.1f} -> {after.p50_ms:.1f} ms, p99 {before.p99_ms:.1f} ->"
        f" {after.p99_ms:.1f} ms. Its first page: {after.first_page_read_units:,.1f} units, p99"
        f" {after.first_page_p99_ms:.1f} ms."
    )


def _of_single_items(advice: Advice) -> Iterator[str]:
    hottest = advice.keys[0].name
    items = {access.sort_key for access in advice.trace.accesses if access.partition_key == hottest}
    if len(items) <= 1 and None not in items:
        yield (
            f"All of the heat of {hottest} is on one item: no suffix that is computed from the key moves it. Cache what"
            " is read, or divide the item itself."
        )


def _of_splits(advice: Advice, now: Candidate) -> Iterator[str]:
    if now.tried.throttled <= CARRIED_MAX:
        return
    if advice.wanted.local_index:
        yield "DynamoDB itself does not mend it: with a local secondary index an item collection is never divided."
    else:
        yield (
            "DynamoDB may itself divide an item collection that is hot for long, where its heat is on many sort keys"
            " and not on those that come last. When, it does not say, so nothing here counts on it."
        )
