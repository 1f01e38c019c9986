"""Generated from schema/schema.graphql by `make schema`. Do not edit."""
