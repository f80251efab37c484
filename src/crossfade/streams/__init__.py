"""Change streams: what was written to a table, read for as long as it is written.

changes    a record of a stream, as the rest sees it
lineage    which shard may be read next
asking     the requests to a stream, as routines; where it has dropped what was to be read
listing    which shards there are, without asking for all of them again and again
finding    a table's stream, or how to switch it on
ledger     how far each shard has been read, written down after what was read has been dealt with
shard      one shard, page after page
following  all shards of some streams, parents before children
looking    in which stage the migration is, and since when
meaning    what a write of the source means in a stage: the one table of it
strays     one write, looked at: whether the fleet has followed it
stamps     the same where items are copied: told by its stamp
watch      the runner: `run_watch`
applying   the keys of one page, synced
replicate  the runner: `run_replicate`
result     what they were asked to do, and what came of it
"""
