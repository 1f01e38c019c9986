"""A bridge to Salesforce's CRM: contacts for visitors, cases for rooms, and transcripts on cases."""
