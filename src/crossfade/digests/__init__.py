"""What a user's functions do, as a short text: `fingerprint` of a mapping of items, `digest` of one of rows go by it.

Beneath the core, and not in it: it reads the source files of those functions.
"""
