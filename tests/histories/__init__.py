"""Recorded histories of real processes on a real engine, judged item by item: is it that of one plain item?

`python -m tests.histories` (`make histories`). Several processes work on a few hot items through `crossfade.attach`
while the migration, of either strategy, goes up and down all its stages and processes are killed, stopped and started.
Each process writes down every call before it is sent and every answer after it came, with the machine's monotonic
clock, which all of them share. Afterwards the simulator's checker of linearizability (Wing and Gong's search with
Lowe's memory) looks for one order of the calls on an item that explains every answer. What the simulator shows for
virtual processes, this shows for those that run.
"""
