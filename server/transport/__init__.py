"""The client connections below HTTP and websockets: protocols, deadlines and budgets."""
