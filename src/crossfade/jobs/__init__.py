"""What the jobs share; they do not know each other.

bulk        Scan, BatchGetItem and BatchWriteItem as routines, with everything that they leave undone done again
order       in which order segments are taken
pace        a rate limit that all workers share
progress    how far a job is, how fast it goes, how long it will take
loop        an event loop of its own for each job
connecting  from botocore clients to lean ones
session     a job as a client of the migration: lease, polling, tickets
repair      one key made equal again
options     what every job over segments may be asked for
workers     tasks that work segments off
segment_run a job over segments: claimed, worked off, claimed again after a lost lease
observing callbacks, which never harm
signals     Ctrl-C: finish the page, then leave
show        keys as people read them
"""
