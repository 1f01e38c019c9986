"""Definitions of custom fields: stored, cached, changed in two steps, and purged after their removal.

Storage, resolvers.custom_fields and resolvers.context import it.
"""
