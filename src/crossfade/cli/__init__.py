"""The command line, `crossfade`. One file a command; what they share:

app        the group: commands are loaded when they are used; every error becomes a clear line and an exit status
options    the options that commands have in common
screen     where text, tables and JSON go
opened     a migration file together with a database that answers
connect    from options and the environment to a botocore client
plans      what a command would do, as a value; nothing happens without --execute or a typed yes
moving     carrying out a step, and showing who is waited for
differences    what a verify tells, of two tables or of rows

The command line needs click and rich, which applications that only attach do not: the extra `crossfade[cli]`.
"""

from __future__ import annotations

import sys

from crossfade._interrupting import as_always, end_at_once

NEEDED = ("click", "rich")
COULD_NOT_RUN = 2


def main() -> None:
    """The entry point `crossfade`."""
    try:
        from crossfade.cli.app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in NEEDED:
            raise
        print(f"crossfade: the command line needs {missing}: pip install 'crossfade[cli]'", file=sys.stderr)
        raise SystemExit(COULD_NOT_RUN) from None
    as_always()
    try:
        app(prog_name="crossfade")
    except KeyboardInterrupt:  # while it ends
        end_at_once(0, None)
