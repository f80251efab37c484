"""What the commands of a migration of rows run, on the servers that the environment names.

pipeline.py   the migration with its servers: topics, groups, destinations, checkpoints
leased.py     an ETL as a client of its migration: nothing is applied once the target decides
reporting.py  what the coordinator is told, by the one process that reads the log
capturing.py  the log, with a snapshot beside it (`backfill`) or by itself (`replicate`); telling.py: what it reads;
              tracking.py: how far it is
rounds.py     where others capture it: marks sent round; vouching.py: a topic a table, by what Kafka Connect keeps
working.py    one worker (`etl`), dead letters once more (`etl retry`); replaying.py: from anywhere (`etl replay`)
"""
