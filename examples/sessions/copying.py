"""The same by copy-on-write: TTL of the new table is switched on when the migration is complete."""

from dataclasses import replace

from examples.sessions.migration import migration as kept_equal

migration = replace(kept_equal, strategy="copy-on-write")
del kept_equal
