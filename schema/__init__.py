"""The GraphQL API: one module for each noun. Only server imports it."""
