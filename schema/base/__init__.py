"""Declarations that all types of the API share: decorators, scalars, connections, filters and errors. Imports no
noun."""
