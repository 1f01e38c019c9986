"""Authentication and access: tokens, passwords, scopes and login throttling. All of resolvers may import it."""
