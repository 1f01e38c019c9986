"""Generates switchboard_client/generated from schema/schema.graphql. It is not installed with the client."""
