"""Live views of lists and counts of rooms. `resolvers.services` and `schema` import it."""
