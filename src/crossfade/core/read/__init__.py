"""Reads of single items, and what pages and batches look up by key.

get             GetItem in every stage
both_tables     an item is what the target holds, or else what the source holds
lookup          strongly consistent reads for an answer under way
passthrough     DescribeTable and PartiQL, which the serving table answers
"""
