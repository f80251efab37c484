"""A simulated world in which the real routines run, with virtual time, seeded order and faults, and are checked.

tables, table, table_pages, indexes    in-memory DynamoDB
faults           what can go wrong, and how often
processes        simulated processes, tasks and requests
parts            batches and pages, carried out at two moments
network          how long a call takes, what befalls it, when it lands
world, fibers    virtual time, and the performing of effects; coroutines in it
background       a process's mirrors and comparisons
client           a process that uses the migration
sdk, chained     one whose requests go through two migrations, by the hooks of production
applications     what an application's calls are made through; views, own_keys, target_pages: in the target's terms
calls            the calls of an application, and what each was told of each item
pages, index_pages    Queries and Scans, and what is told by all of their pages
workload         what applications call
history          what they were told
model            one plain item, which their answers are compared with
linearizability  whether a history is that of one plain item
snapshots        whether transactions are whole
jobs, operator   backfill and verify; who moves the migration
scenario, indexed, chains    what one seed stands for
setting, joiner  its tables and what they hold; how its processes join
checkers         the invariants
run, campaign    one seed; many
trace            a replay that people can read
"""
