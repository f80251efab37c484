"""`crossfade check` of a migration of rows: all that can be known before anything runs.

    tables.py   the target and the table of parts, against what the file declares
    sample.py   what the functions make of real rows
    run.py      the source's settings and rights, its tables, the topics, and all of it together

What lives elsewhere: what the source lacks (`mysql/preflight.py`).
"""
