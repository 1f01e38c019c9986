"""Imports the omnichannel data of a Rocket.Chat server. Only commands import it."""
