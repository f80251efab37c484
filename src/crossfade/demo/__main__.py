"""`python -m crossfade.demo` is `crossfade demo`."""

import sys

from crossfade.cli.app import app

app(["demo", *sys.argv[1:]], prog_name="crossfade")
