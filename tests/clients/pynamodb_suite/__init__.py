"""PynamoDB's own integration tests on top of crossfade, unchanged, in every stage: `make clients`.

The tests are PynamoDB's, fetched when they are needed and never copied into this repository. They run in a process of
their own, with one plugin of ours: whenever a test has made a table, a migration of that table is there too, in the
stage and with the mapping that were asked for, and every client that the test uses is attached. Each test must come
out as it does on a plain table.
"""
