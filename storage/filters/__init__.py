"""The filter language: expressions, the MongoDB query and the in-memory predicate made from one; all layers may import
expressions."""
