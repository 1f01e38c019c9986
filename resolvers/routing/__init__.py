"""Assigning rooms to agents: the policy, the queue of waiting rooms and the capacity of agents."""
