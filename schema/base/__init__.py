"""What every type of the API is declared with: decorators, scalars, connections, filters and errors; imports no
noun."""
