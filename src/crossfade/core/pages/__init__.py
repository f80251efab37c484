"""Query and Scan: pages with the items, order, counts and cursors that the caller's own table would give.

query, scan                which way a page is made; of a table, and of both tables: merged, or one after the other
order, one_side            in the order of one side, which answers: Scan, and indexes
index_query, index         an index of both tables, merged; what indexes are by, and what they hold
asked, entries, builder    what is asked for, apart from its paging; what a side answers, as images; the page being made
lanes, partitions          partitions read beside one another, and merged; which there are, and what each is asked
prefixes                   the same where the target's sort key is the source's behind a text
cursors, seals, unmarked, page_ends    tokens: in the terms of a side; whose; without a mark; of a place within a page
compared, page_fallback    after the answer: the comparison; what rampdown looks for behind a page
"""
