"""All that can go wrong at once: applications of every kind, on a service that behaves as the real one on a bad day.

`python -m tests.battery` (`make battery`). The processes are those of `tests.histories`, with its way up and down the
stages, its kills and freezes, its journals and its judge; between them and the engine stands `tests.service`, whose
weather is drawn from the seed: throttling, conflicts, delays, lost answers, errors, pages of what stands before it,
credentials that expire, rights that are taken away for a while.

    weather.py       what goes wrong, and when
    protections.py   what can be left out of crossfade, so that its absence is found
    __main__.py      the command, and its verdict
"""
