"""The two tables of a migration, as a routine sees them: keys, items and their stamps, indexes, and guards.

Here lives what is true of a table in every stage. What a caller asks for is in `request/`; what a stage does about it
is in the rooms above.

pair            both tables and the mapping between them: images, keys, what one side holds
stamps          what is held under one key, and its stamp, which no caller sees
guards, actions conditions that are added to a request, and actions of a transaction made of them
expiry          by which attribute a table expires its items, and whether an item's time is over
schema, descriptions, indexes, index_keys    what a table and its indexes are, as declared and as described
"""
