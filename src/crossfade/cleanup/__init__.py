"""Cleanup: the old table is retired, step by step, and can be had back from its snapshot until you delete that too.

steps     which steps there are, and what each needs
ledger    what the control table says of them: who, when, how far
survey    the state of all steps, and which conditions hold
run       carrying out one step

export_format, storage, data_files    a snapshot on disk or in S3, in the form of DynamoDB's own exports
snapshot, export                making one: our own scan, or the service's export
read_back, comparison, key_sums reading one, and comparing it with a table in both directions
snapshot_steps, throughput, stamps, usage, last_steps    the steps
restore, table                  loading one into a table, and what that table is made of
connections, part_workers       connections, and workers on parts
"""
