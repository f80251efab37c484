"""The switch in the service layer: two implementations of a repository behind one, moved from one store to another.

Here live the declarations, the routines around one read or write, the intents behind the repair queue, and thin shells
for threads and for asyncio. The ladder is `FREEZE` in `core/stages.py`; the queue's records, the fence and the way
through the freeze are in `control/`. What carries a database's log to the target is not here.
"""

from crossfade.switch.declaring import Read, Write
from crossfade.switch.flags import Flag
from crossfade.switch.mirror import Mirror
from crossfade.switch.refusals import refused_by_aws
from crossfade.switch.switch import Switch
from crossfade.switch.tables import TableMirror

__all__ = ["Flag", "Mirror", "Read", "Switch", "TableMirror", "Write", "refused_by_aws"]
