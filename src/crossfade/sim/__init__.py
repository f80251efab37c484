"""A simulated world in which the real routines run, with virtual time, seeded order and faults, and are checked.

tables           in-memory DynamoDB
faults           what can go wrong, and how often
processes        simulated processes, tasks and requests
parts            batches and pages, carried out at two moments
network          how long a call takes, what befalls it, when it lands
world            virtual time, and the performing of effects
background       a process's mirrors and comparisons
client           a process that uses the migration
calls, pages     the calls of an application, and what each was told of each item
workload         what applications call
history          what they were told
model            one plain item, which their answers are compared with
linearizability  whether a history is that of one plain item
snapshots        whether transactions are whole
jobs, operator   backfill and verify; who moves the migration
scenario         what one seed stands for
checkers         the invariants
run, campaign    one seed; many
trace            a replay that people can read
"""
