"""Lists and counts of rooms that keep themselves. Services and the schema may import it, other resolvers not."""
