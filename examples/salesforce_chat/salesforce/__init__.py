"""A client of Salesforce's Enhanced Chat API (Messaging for In-App and Web, version 2), without Switchboard."""
