"""Sessions in a new table: their TTL attribute gets another name, and the time of the login another type."""

from crossfade import Migration, Table
from crossfade.mapping import convert, iso_to_epoch, rename

migration = Migration(
    name="sessions-v2",
    source=Table("sessions", key={"session": "S"}),
    target=Table("sessions-v2", key={"session": "S"}),
    mapping=[
        rename("ttl", "expires"),  # still a Number of seconds: TTL of the new table goes by `expires`
        convert("login", iso_to_epoch),
    ],
)
