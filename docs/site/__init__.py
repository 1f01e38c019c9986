"""The documentation site: collects the pages of the project, renders the schema, and builds them with MkDocs."""
