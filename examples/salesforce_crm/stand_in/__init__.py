"""A stand-in of Salesforce's REST API, for the demo and the tests of the example. The bridge imports none of it."""
