"""Connects rooms of Switchboard with agents at Salesforce (Enhanced Chat)."""
