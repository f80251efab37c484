"""`python -m crossfade.cli`."""

from crossfade.cli import main

main()
