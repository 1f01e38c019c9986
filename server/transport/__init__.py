"""Client connections below the application: HTTP and websocket protocols, deadlines and budgets. `server.graphql` and
above import it."""
