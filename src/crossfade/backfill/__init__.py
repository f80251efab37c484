"""The backfill: every item of the source that was there before the first mirrored write, into the target.

copy     one page: put it in bulk, look again, sync what has changed
segment  a segment, page after page, each checkpointed after its data
result   what came of it
run      the runner: `run_backfill`
"""
