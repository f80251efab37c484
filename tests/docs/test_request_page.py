"""The page that follows a request through crossfade is what such a request goes through."""

from __future__ import annotations

from pathlib import Path

from crossfade.local import LocalEngine
from scripts.trace_call import counted, page, traces

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "request.md"


def test_the_page_is_what_a_request_goes_through() -> None:
    """`python -m scripts.trace_call > docs/request.md` prints it anew."""
    with LocalEngine.start() as server:
        found = traces(dict(server.client_options()))
    assert PAGE.read_text(encoding="utf-8") == page(found) + "\n"
    assert all(case.operation in counted(found) for case, _ in found)
