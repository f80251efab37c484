"""Print the table of errors that stands in docs/reference.md: `python scripts/print_error_codes.py`."""

from __future__ import annotations

from itertools import groupby

from crossfade.core.request.error_codes import ERROR_CODES


def table() -> str:
    """Return a row for each code, or for some that are alike."""
    lines = ["| code | comes from | sent again | where AWS says so |", "|---|---|---|---|"]
    for (fault, again, said), rows in groupby(ERROR_CODES, lambda row: (row.fault, row.again, row.said)):
        codes = ", ".join(f"`{row.code}`" for row in rows)
        lines.append(f"| {codes} | {fault} | {again} | [{said.split('/')[2]}]({said}) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
