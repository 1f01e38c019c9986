"""GraphQL over HTTP, server-sent events and websockets. Only `server.app` imports it."""
