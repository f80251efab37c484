"""`crossfade check`: tries a migration on a sample of the real source, and changes nothing.

report    what comes out: findings, and whether one is an error
tables    what DescribeTable says of both tables, against what the migration file declares
asking    what an answer says that is an error
sampling  items from all over a table, at a low rate
items     what the mapping makes of the sampled items
expiry    TTL of both tables: whether they delete the same items
surroundings  consumers, rights, settings and scaling of a table; carried_over: of both tables, against one another
run       all of it together
"""

from __future__ import annotations

from crossfade.check.report import CheckReport, Finding
from crossfade.check.run import run_check

__all__ = ["CheckReport", "Finding", "run_check"]
