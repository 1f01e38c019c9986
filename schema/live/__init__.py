"""Lists and counts of rooms as queries and subscriptions. Only `schema.schema` imports it."""
