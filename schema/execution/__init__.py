"""Executing operations: document cache, cost limits and compiled selections; imports no noun."""
