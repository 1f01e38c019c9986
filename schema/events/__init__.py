"""Events: their types, their conversion from facts, the queries and subscriptions that return them."""
