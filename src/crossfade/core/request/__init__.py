"""What a request says, checked and answered in the words of DynamoDB, before any stage has a part in it.

Nothing here reads or writes items. What one plain table would make of a write is in `evaluate/`.

names, keys, own_keys    tables, keys, and keys that carry the attributes of both tables
wellformed, limits       the shape that an operation has, and how large it may be
placeholders, stamp_names, projection, legacy    expressions: kept apart from ours, and what they show
cursor                   what a cursor says of its place, besides its key
capacity, cancellation, service_errors           what is told: units consumed, reasons, what is wrong
"""
