"""MySQL and MariaDB as a source: their row log as changes, their rows in chunks, and what must be set for both.

    source.py        where the server is and who asks; connections; what kind of server it is
    preflight.py     settings and rights that are missing, each with the statement that mends it
    schema.py        tables as information_schema tells them: columns, primary keys
    columns.py       a column, whoever tells of it; charsets.py: its text, collations by their numbers
    values.py        what each type becomes, in a table of words; text_values.py: from a SELECT, log_values.py: from the
                     log (decimals.py, jsonb.py: MySQL's binary JSON), literals.py: back to SQL, tagged.py: to JSON
    events.py        the log's events, taken apart; rows.py: the rows in one; table_map.py: a table as it was when they
                     were written; statements.py: what a statement in the log is to a reader of rows
    wire.py          a connection as a replica
    positions.py     where in the log, exactly resumable; resuming.py: on the server that answers now
    reader.py        the log as changes and commits; transactions.py: their order within one
    snapshot.py      what was there before, in chunks (keyset.py) between marks (watermarks.py) while the log flows

The log's bytes are decoded here, not by a library: what a SELECT gives and what the log gives must be one value, and
the time a row takes decides how large a source can be followed.
"""
