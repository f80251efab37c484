"""Verify: whether target == mapping(source) for every key, in both directions, under live traffic.

compare  a page from either side, and the second look at what seemed different
packing  items kept in little room while others are worked on
repair   one key made equal again, toward the authority
diff     a difference, readable
result   what came of it
run      the runner: `run_verify`
"""
