"""Operations on several items: batches, transactions, and the idempotency tokens of those.

batch           BatchGetItem and BatchWriteItem
transact_get, transact_write    TransactGetItems, TransactWriteItems
transact_evaluated              a transaction that is evaluated here, upon one snapshot of its items
actions, idempotency            the actions on our table; the record by which a transaction happens once
"""
