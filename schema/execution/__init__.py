"""Execution of operations: document cache, cost limits, compiled selections and shared results. Imports no noun."""
