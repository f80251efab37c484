"""Sessions that expire (TTL) move to a new table, by either strategy, while each table expires its items by itself."""
