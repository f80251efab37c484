"""Both sides made equal, and compared: the mirror, the copy, and what is tried again.

Here one key is looked after, whatever operation has named it. The caller's own reads and writes are in the rooms above.

sync            the mirror: which is also repair, and the second look of a backfill
copy            items copied in transactions, each once
compare         one key on both sides
looks           what several looks say of a difference: confirmed, or a write in flight
expiring        a difference that is but an expiry, carried out by one table before the other
source_fallback, ramp    what rampdown looks for in the source; which reads go to the target already
retry           which errors pass by themselves, how long to wait, how often to try
"""
