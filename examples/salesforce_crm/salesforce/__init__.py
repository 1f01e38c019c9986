"""A small client of Salesforce's REST API over httpx: sessions, records, SOQL and composite graphs.

It knows nothing of Switchboard.
"""
