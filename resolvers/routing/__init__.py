"""Routing: assigns rooms to agents by policy, queue and capacity. Operations of nouns and services import it."""
