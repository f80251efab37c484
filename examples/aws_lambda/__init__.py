"""Functions of AWS Lambda move to a new table, and their environments are frozen after each invocation, or for ever."""
