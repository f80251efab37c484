"""The control plane: in which stage a migration is, who takes part, and how all of them move on together.

records      what the control table holds; record_items: its exact form there
calls        one call with bounded retries; what a failed condition looks like
store        reading the records, and the one way to change the state
open_tickets which operations of a client have not ended, and since when
tickets      what a client's operations have of its lease: the stage that they obey, whether they may go on
agent        a client's side: a lease, the state that it adopts, the acknowledgement
fleet        how often the clients of a large fleet beat
sightings    when a silent client counts as gone
waiting      the barrier: wait until every client has acknowledged
gates        what must hold before a step, judged from records alone; gate_texts: what is said of it
coordinator  the steps: one stage up or down, the ramp, complete, cancel
starting     the control table and the first record
jobs         who runs a backfill or a verify, its checkpoints and its result
survey       everything that `status` shows

All of it is routines and plain state: no clock, no chance, no I/O.
"""
