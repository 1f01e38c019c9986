"""Outside programs that use Switchboard: they know its API and nothing of its code."""
