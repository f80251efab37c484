"""The trade-off as a picture: for each count of suffixes, what is throttled, and what the slowest Queries take.

An SVG of plain shapes, which browsers and dashboards show without a library.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from crossfade.advice.advising import Advice, Candidate
from crossfade.advice.designs import DesignKind
from crossfade.advice.reasons import percent

WIDTH: Final = 760
HEIGHT: Final = 400
LEFT: Final = 64
RIGHT: Final = 64
TOP: Final = 72
BOTTOM: Final = 64
THROTTLED: Final = "#c0392b"
LATENCY: Final = "#1f5fa8"
CHOSEN: Final = "#2e8b57"
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.t{font-size:16px;font-weight:600}"
    ".a{stroke:#888;stroke-width:1}.g{stroke:#ddd;stroke-width:1}"
    "@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#e6e6e6}.g{stroke:#333}}"
)


def picture(advice: Advice) -> str:
    """Return the picture as an SVG document."""
    shown = [each for each in advice.candidates if each.design.kind in (DesignKind.NONE, DesignKind.COMPUTED)]
    step = (WIDTH - LEFT - RIGHT) / len(shown)
    places = [LEFT + step * (number + 0.5) for number in range(len(shown))]
    slowest = max(each.query.p99_ms for each in shown)
    what = f"{advice.verdict}: {advice.recommended}"
    load = f"{advice.wanted.requests_per_second:,.0f} requests/s + {percent(advice.wanted.head_room)} head-room"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(what)}</title>',
        f'<desc id="d">{escape(_description(shown))}</desc>',
        f"<style>{STYLE}</style>",
        _text(LEFT, 28, what, 't"'),
        _text(LEFT, 48, f"{load}; {advice.trace.source}"),
        *_grid(slowest),
    ]
    for place, each in zip(places, shown, strict=True):
        parts += _bar(place, step, each, chosen=each.design == advice.recommended)
    line = " ".join(
        f"{place:.1f},{_height(each.query.p99_ms / slowest):.1f}" for place, each in zip(places, shown, strict=True)
    )
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LATENCY}" stroke-width="2"/>')
    parts += [
        f'<circle cx="{place:.1f}" cy="{_height(each.query.p99_ms / slowest):.1f}" r="4" fill="{LATENCY}"/>'
        for place, each in zip(places, shown, strict=True)
    ]
    parts += [*_legend(), "</svg>"]
    return "\n".join(parts) + "\n"


def _description(shown: list[Candidate]) -> str:
    return "; ".join(
        f"{each.design}: {percent(each.tried.throttled)} throttled, Query p99 {each.query.p99_ms:.0f} ms"
        for each in shown
    )


def _height(share: float) -> float:
    """Return how far down a share of the whole height is."""
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _grid(slowest: float) -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _height(share)
        yield f'<line class="{"g" if share else "a"}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{share:.0%}", f'" text-anchor="end" style="fill:{THROTTLED}"')
        yield _text(WIDTH - RIGHT + 8, y + 4, f"{share * slowest:.0f} ms", f'" style="fill:{LATENCY}"')


def _bar(place: float, step: float, each: Candidate, *, chosen: bool) -> Iterator[str]:
    y, width = _height(each.tried.throttled), step * 0.55
    if chosen:
        yield (
            f'<rect x="{place - step * 0.46:.1f}" y="{TOP - 8}" width="{step * 0.92:.1f}"'
            f' height="{HEIGHT - TOP - BOTTOM + 36}" rx="6" fill="none" stroke="{CHOSEN}" stroke-width="2"/>'
        )
    yield (
        f'<rect x="{place - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_height(0) - y:.1f}"'
        f' fill="{THROTTLED}" fill-opacity="0.75"/>'
    )
    name = "as it is" if each.design.kind is DesignKind.NONE else f"{each.design.count}"
    yield _text(place, HEIGHT - BOTTOM + 20, name, '" text-anchor="middle"')


def _legend() -> Iterator[str]:
    y = HEIGHT - 16
    yield f'<rect x="{LEFT}" y="{y - 10}" width="12" height="12" fill="{THROTTLED}" fill-opacity="0.75"/>'
    yield _text(LEFT + 18, y, "throttled")
    yield f'<circle cx="{LEFT + 106}" cy="{y - 4}" r="4" fill="{LATENCY}"/>'
    yield _text(LEFT + 116, y, "Query of a whole key, p99")
    yield f'<rect x="{LEFT + 290}" y="{y - 10}" width="12" height="12" fill="none" stroke="{CHOSEN}" stroke-width="2"/>'
    yield _text(LEFT + 308, y, "recommended; the numbers count computed suffixes")


def _text(x: float, y: float, text: str, more: str = '"') -> str:
    """Return a text; `more` ends its class and may add attributes."""
    return f'<text class="{more} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
