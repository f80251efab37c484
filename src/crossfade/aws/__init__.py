"""The edge: where botocore's events meet the routines.

own_calls               one call of our own, through a client that may itself be hooked
answers                 an outcome in the form in which botocore hands it to a caller
operation               one operation by the caller, from its ticket to its answer, and what outlasts that
in_flight               the calls whose answers are waited for
hooks                   botocore's events: taking over, letting pass, going on; what both kinds of client share
sync_hooks, aio_hooks   the three of them that run routines: in the caller's thread, in the caller's task
clients                 what may be attached, and the client beneath it
chain                   several migrations on one client, each a row of hooks
lean                    our own client for bulk work
member                  a process's part in the migration; membership: with an event loop beside its callers, on a
                        thread (thread_engine) or on theirs; inline, aio_inline: within its callers' calls
router                  what `attach` returns; sync_router on threads, aio_router on asyncio
botocore_private        the private names that this leans on, guarded by a test
"""
