"""Definitions of custom fields: stored, cached, changed in two steps, and purged after their removal."""
