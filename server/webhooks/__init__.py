"""Delivers the events of webhooks: follows subscriptions, signs requests, sends them. Only the app imports it."""
