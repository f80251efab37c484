"""Decides: routines that yield effects and do no I/O. Each room may use those below it, and none above.

routing, foresight    which routine carries out a request, and what a later stage will refuse of it
pages                 Query and Scan
multi                 batches and transactions
write                 writes of one item
read                  reads of one item
sync                  the mirror, copies, comparisons, retries
evaluate              what one plain table would do with a write
request               what a request says
tables                the two tables of a migration
mapping, expressions  items turned around; DynamoDB's expression languages
stages, rules, items, effects    the ladder, the rules, items as the service sees them, what a routine may ask for
"""
