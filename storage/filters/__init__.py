"""The filter language: expressions, and their translation to a MongoDB query or an in-memory predicate."""
