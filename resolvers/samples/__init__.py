"""Sample data: a small deployment to look at, which `switchboard seed` and the dashboard create and remove."""
