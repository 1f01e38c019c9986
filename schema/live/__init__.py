"""Lists and counts of rooms that keep themselves. Only schema.schema imports it."""
