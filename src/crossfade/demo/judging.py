"""From the journals and what is in the table at the end: is all there that was acknowledged, and nothing else?

Each kind of document leaves traces of its own, so each is judged in its own way. A write whose outcome the application
does not know may be there or not, but once at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from crossfade.demo.evidence import History, Look, Page, Write
from crossfade.demo.findings import Finding, Wrong, finding
from crossfade.demo.goods import SEEDED, Key, Raw, canonical, document
from crossfade.demo.registers import IMPOSSIBLE, Step, Value, possible


def judge(key: Key, history: History, final: Raw | None, *, seeded: bool) -> Iterator[Finding]:
    """`final` is the document in the old table's form, or None; `seeded` whether it was there at the beginning."""
    match key.kind:
        case "cart":
            yield from _cart(key, history, final)
        case "invoice":
            yield from _invoice(key, history, final)
        case _:
            yield from _register(key, history, final, seeded=seeded)
    if final is not None:
        yield from _whole(key, history, final)


def judge_untouched(key: Key, final: Raw | None, *, seeded: bool) -> Iterator[Finding]:
    """A document that no journal names is as it was."""
    if final is None:
        if seeded:
            yield finding(Wrong.GONE, key, "no journal has a write to it")
    elif not seeded:
        yield finding(Wrong.UNKNOWN_WRITER, key, f"nobody made it; it is {final}")
    elif final != document(key, SEEDED):
        yield finding(Wrong.UNTOUCHED, key, f"is   {final}", [f"was  {document(key, SEEDED)}"])


# --- carts: every line once, in an order that time allows, and counted


def _cart(key: Key, history: History, final: Raw | None) -> Iterator[Finding]:
    if final is None:
        yield finding(Wrong.GONE, key, "carts are never deleted", history.writes)
        return
    lines = [line["S"] for line in final["lines"]["L"]]
    yield from _lines_once(key, history, Counter(lines))
    yield from _lines_counted(key, history, lines, int(final["count"]["N"]))
    yield from _lines_in_time(key, history, lines)
    for look in history.looks:
        before = sum(write.outcome == "ok" and write.ended < look.begun for write in history.writes)
        if look.count < before:
            yield finding(Wrong.STALE, key, f"{before} lines were acknowledged before it", [look, *history.writes])
        elif look.count > sum(write.begun < look.ended for write in history.writes):
            yield finding(Wrong.UNEXPLAINED, key, "more lines than had been begun", [look, *history.writes])


def _lines_once(key: Key, history: History, times: Counter[str]) -> Iterator[Finding]:
    """What was acknowledged is there, nothing is there twice, nothing that was refused or that nobody wrote."""
    for write in history.writes:
        if write.outcome == "ok" and not times[write.token]:
            yield finding(Wrong.LOST, key, f"line {write.token} is not there", [write, *_around(history, write)])
        elif write.outcome == "no" and times[write.token]:
            yield finding(Wrong.UNKNOWN_WRITER, key, f"line {write.token} was refused and is there", [write])
    tokens = {write.token for write in history.writes}
    for token, count in times.items():
        if token not in tokens:
            yield finding(Wrong.UNKNOWN_WRITER, key, f"line {token} is in no journal")
        elif count > 1:
            yield finding(Wrong.TWICE, key, f"line {token} is there {count} times", history.writes)


def _lines_counted(key: Key, history: History, lines: list[str], count: int) -> Iterator[Finding]:
    """The counter says how many there are, and each append was answered with its own place."""
    if count != len(lines):
        yield finding(Wrong.MISCOUNTED, key, f"count {count}, lines {len(lines)}", history.writes)
    place = {token: n for n, token in enumerate(lines, 1)}
    for write in history.writes:
        if write.outcome == "ok" and write.count is not None and place.get(write.token, write.count) != write.count:
            said = f"was answered count {write.count}, and is line {place[write.token]}"
            yield finding(Wrong.MISCOUNTED, key, f"{write.token} {said}", history.writes)


def _lines_in_time(key: Key, history: History, lines: list[str]) -> Iterator[Finding]:
    """No line stands before one that had been acknowledged before it was begun."""
    by_token = {write.token: write for write in history.writes}
    following: Write | None = None  # of the lines after this one, the one that ended first
    for write in (by_token[token] for token in reversed(lines) if token in by_token):
        if following is not None and following.ended < write.begun:
            said = f"line {following.token} had ended before line {write.token}, which is before it, was begun"
            yield finding(Wrong.UNEXPLAINED, key, said, [following, write])
        if following is None or write.ended < following.ended:
            following = write


# --- invoices: one winner a version


def _invoice(key: Key, history: History, final: Raw | None) -> Iterator[Finding]:
    if final is None:
        yield finding(Wrong.GONE, key, "invoices are never deleted", history.writes)
        return
    winners: defaultdict[int, list[Write]] = defaultdict(list)
    maybe: defaultdict[int, list[Write]] = defaultdict(list)
    for write in history.writes:
        if write.outcome == "ok":
            winners[write.version].append(write)
        elif write.outcome == "unknown":
            maybe[write.version].append(write)
    version, last = int(final["version"]["N"]), final["last"]["S"]
    for seen, won in sorted(winners.items()):
        if len(won) > 1:
            yield finding(Wrong.TWO_WINNERS, key, f"version {seen} was revised {len(won)} times", won)
        if seen >= version:
            evidence = [*won, *history.looks[-3:]]
            yield finding(Wrong.LOST, key, f"the document ends at version {version}", evidence)
    for step in range(1, version):
        if not winners[step] and not maybe[step]:
            yield finding(Wrong.UNKNOWN_WRITER, key, f"nobody revised version {step}, and it is {version}")
    writers = [write.token for write in (winners[version - 1] or maybe[version - 1])] if version > 1 else [SEEDED]
    if last not in writers:
        said = f"at version {version} it was last written by {last}"
        yield finding(Wrong.LOST, key, f"{said}, not by {' or '.join(writers) or 'anybody'}", history.writes)
    yield from _versions_read(key, history)
    yield from _versions_refused(key, history)


def _versions_refused(key: Key, history: History) -> Iterator[Finding]:
    """A revision is refused only when somebody else may have been quicker."""
    for write in history.writes:
        if write.error == "ConditionalCheckFailedException":
            others = (w for w in history.writes if w.version == write.version and w.outcome != "no")
            if all(other.begun > write.ended for other in others):
                said = f"nobody else had revised version {write.version} by then"
                yield finding(Wrong.REFUSED, key, said, [write, *history.writes])


def _versions_read(key: Key, history: History) -> Iterator[Finding]:
    for look in history.looks:
        least = max((w.version + 1 for w in history.writes if w.outcome == "ok" and w.ended < look.begun), default=1)
        most = max((w.version + 1 for w in history.writes if w.outcome != "no" and w.begun < look.ended), default=1)
        if look.version < least:
            yield finding(Wrong.STALE, key, f"version {least} was acknowledged before it", [look, *history.writes])
        elif look.version > most:
            yield finding(Wrong.UNEXPLAINED, key, "a version that nobody had begun to write", [look, *history.writes])


# --- holds and notes: a register that is written, deleted and read


def _register(key: Key, history: History, final: Raw | None, *, seeded: bool) -> Iterator[Finding]:
    initial: Value = SEEDED if seeded else None
    value: Value = None if final is None else final["last"]["S"]
    tokens = {SEEDED, *(write.token for write in history.writes if write.outcome != "no")}
    if value is not None and value not in tokens:
        yield finding(Wrong.UNKNOWN_WRITER, key, f"{value} is in no journal as written", history.writes)
        return
    steps = [*_steps(history.writes), *(_seen(look) for look in history.looks)]
    if possible(steps, initial, value) is not False:
        return
    entries: list[Write | Look] = [*history.writes, *history.looks]
    evidence = sorted(entries, key=lambda entry: entry.begun)
    if possible(_steps(history.writes), initial, value) is not False:
        yield finding(Wrong.STALE, key, "the writes alone can be explained, not what was read", evidence)
    elif possible([step for write in history.writes if (step := _blind(write))], initial, value) is not False:
        yield finding(Wrong.UNEXPLAINED, key, "the conditions of these writes cannot all have been met", evidence)
    elif value is None:
        yield finding(Wrong.LOST, key, "it is not there at the end", evidence)
    elif _deleted_after(history, value):
        yield finding(Wrong.CAME_BACK, key, f"{value} is there at the end", evidence)
    else:
        yield finding(Wrong.LOST, key, f"{value} is there at the end", evidence)


def _steps(writes: list[Write]) -> list[Step]:
    return [step for write in writes if (step := _step(write)) is not None]


def _step(write: Write) -> Step | None:
    """What a write can have done. One that was refused for another reason than its condition did nothing."""
    token, holder = write.token, write.holder
    done = write.outcome != "no"
    if not done and write.error != "ConditionalCheckFailedException":
        return None

    def apply(value: Value) -> object:
        match write.operation:
            case "replace" | "correct":
                return token
            case "cancel":
                return None
            case "reserve":
                return token if value is None else IMPOSSIBLE
            case _:
                return None if value == holder else IMPOSSIBLE

    def refuse(value: Value) -> object:
        return IMPOSSIBLE if apply(value) is not IMPOSSIBLE else value

    return Step(write.begun, write.ended, apply if done else refuse, write.outcome != "unknown", str(write))


def _blind(write: Write) -> Step | None:
    """Return the write as if it had no condition."""
    after: Value = None if write.operation in ("release", "cancel") else write.token
    if write.outcome == "no":
        return None
    return Step(write.begun, write.ended, lambda _: after, write.outcome == "ok", str(write))


def _seen(look: Look) -> Step:
    return Step(look.begun, look.ended, lambda value: value if value == look.last else IMPOSSIBLE, True, str(look))


def _deleted_after(history: History, token: str) -> bool:
    begun = next((write.begun for write in history.writes if write.token == token), 0.0)
    return any(w.operation in ("release", "cancel") and w.outcome == "ok" and w.ended > begun for w in history.writes)


# --- the rest of the document


def _whole(key: Key, history: History, final: Raw) -> Iterator[Finding]:
    """What the last writer does not touch is as the document was made; what it writes belongs together."""
    last = final["last"]["S"]
    made = document(key, last)
    if key.kind == "cart":
        made |= {"count": final["count"], "lines": final["lines"]}
        status = final["lines"]["L"][-1]["S"] if final["lines"]["L"] else ""
        made["detail"]["M"]["status"] = {"S": f"after {status}" if status else "open"}
    elif key.kind == "invoice":
        made["version"] = final["version"]
        made["detail"]["M"]["status"] = {"S": "open" if last == SEEDED else "revised"}
    elif any(write.token == last and write.operation == "correct" for write in history.writes):
        del made["gift"]
    if canonical(made) != final:
        parts = {name for name in made.keys() | final.keys() if made.get(name) != final.get(name)}
        said = [f"{name}: {final.get(name)}, should be {made.get(name)}" for name in sorted(parts)]
        yield finding(Wrong.UNEXPLAINED, key, "parts of it do not belong together", [*said, *history.writes])


# --- pages of queries


def judge_page(page: Page, permanent: list[str]) -> Iterator[Finding]:
    """`permanent` are the documents of that customer that are never deleted, in order."""
    key = f"{page.customer} from {page.start} {'up' if page.forward else 'down'}, at {page.at:.3f}"
    shown = list(page.documents)
    if shown != sorted(set(shown), reverse=not page.forward):
        yield finding(Wrong.PAGE, key, "not in order, or one of them twice", shown)
        return
    low, high = (page.start, page.end) if page.forward else (page.end, page.start)
    if any((low is not None and d < low) or (high is not None and d > high) for d in shown) or (
        not page.start_counts and page.start in shown
    ):
        yield finding(Wrong.PAGE, key, f"outside of {low} to {high}", shown)
    if not page.filtered:
        due = set(_between(permanent, low, high)) - set(shown) - (set() if page.start_counts else {page.start})
        missing = sorted(due)
        if missing:
            yield finding(Wrong.PAGE, key, f"without {', '.join(missing[:5])}", shown)


def _between(documents: list[str], low: str | None, high: str | None) -> list[str]:
    begin = 0 if low is None else bisect_left(documents, low)
    return documents[begin : len(documents) if high is None else bisect_right(documents, high)]


def _around(history: History, write: Write) -> list[Write]:
    """The writes that were under way at the same time, or just before and after."""
    return [w for w in history.writes if w is not write and abs(w.begun - write.begun) < 1.0]
