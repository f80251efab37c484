"""Writes of one item. Many at once are in `multi/`.

single          PutItem, UpdateItem and DeleteItem in every stage: what is sent on, and what is evaluated here
translate       the caller's request for the other table, and the reply in the caller's terms
fast_path       the same for plain requests, without a routine
evaluated       read, evaluate, write under a lock, again if somebody was quicker
queued          who writes one item when, in one process; and what is written together
moves, sending  what that does to the two tables, as actions; and how these are sent, until it is known how it went
fitting, malformed         whether both tables take an item; a request without the shape of its operation
"""
