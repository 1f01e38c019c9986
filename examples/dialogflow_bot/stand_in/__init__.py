"""A stand-in of Dialogflow ES and CX on loopback: Google's gRPC services with a small agent behind them.

It refuses what Dialogflow refuses, and validates requests and answers with Google's discovery documents.
"""
