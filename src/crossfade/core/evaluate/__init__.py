"""What one plain table would do with a write: the new item, the reply, or the refusal. No table is asked.

plain_table     PutItem, UpdateItem, DeleteItem and ConditionCheck over an image
"""
