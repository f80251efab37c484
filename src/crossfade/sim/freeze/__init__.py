"""The freeze ladder in a simulated world: a service's switch, two stores without a common transaction, and the way of a
row log from the one to the other.

shapes      what an entity is in rows, and in items
database    the SQL store with its log
stores      both stores, as the methods of a repository
topic       partitions, offsets, the consumer group
capture     a process that publishes the log, with a snapshot beside it
carrier     a process that applies: a worker of an ETL; reporter: one that tells the coordinator of it
service     a process with a switch
workload    what the service's callers ask for
operator    who walks the ladder
scenario    what one seed stands for
dropped     what is sent where a rule is left out
checks      what must be true at rest
world, run  the world, and one seed in it

The switch's routines, its intents and repairs, the agents, the coordinator, the publisher, the bookkeeping of offsets
and marks, the planning and applying of changes and the report to the coordinator are those of production. What a worker
does around them on its event loop (fetching, lanes, commits, rebalances) is written here once more.
"""
