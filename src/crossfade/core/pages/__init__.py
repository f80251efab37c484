"""Query and Scan: pages with the items, order, counts and cursors that the caller's own table would give.

page            what was asked for, apart from its paging, and the reply
streams         the partitions of one side, read page by page
query, order, one_side    one side answers: Query of the table; Scan and indexes; where the key is another attribute
merged_query, merged_index, merged_scan, query_by_key    both tables answer, merged
index, entries, lanes, prefixes, whole_keys    what an index holds, and how keys of one side are found on the other
seals, unmarked, page_ends    cursors: whose they are, those without a mark, places within a page
strangers, page_fallback      what else the target holds; what rampdown looks for behind a page
"""
