"""A typed client of Switchboard: handlers of events as one named consumer, and every operation of the API."""
