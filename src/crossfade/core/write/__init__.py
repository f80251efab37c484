"""Writes of one item. Many at once are in `multi/`.

single          PutItem, UpdateItem and DeleteItem in every stage: one routine for each way of writing
translate       the caller's request for the other table, and the reply in the caller's terms
fast_path       the same for plain requests, without a routine
optimistic      read, evaluate, write under a lock, again if somebody was quicker
lockstep, copy_on_write    one transaction on both sides; an item moves with its first write
fitting, malformed         whether both tables take an item; a request without the shape of its operation
"""
