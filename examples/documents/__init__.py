"""A nested property becomes an index key, and several types change, while an hourly job goes on writing."""
