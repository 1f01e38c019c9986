"""The filter language: expressions, and their translation to a MongoDB query or an in-memory predicate.

All layers may import expressions.py; storage and resolvers may import the others.
"""
