"""The caller of a request: bearer tokens, cached callers, revocation and rate limits. `server.graphql` and above import
it."""
