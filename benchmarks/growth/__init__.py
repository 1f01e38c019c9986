"""Measures what grows with the number of rooms, agents, users and facts, and with the number of processes.

`python -m benchmarks.growth` measures, and `python -m benchmarks.growth.plots` draws what was measured.
"""
