"""What the bot apps share: turns, hand-overs, greetings and the state of a conversation.

The bot apps import it. It knows no bot engine: an engine is a class with the methods of `engine.Engine`.
"""
