"""The web application, the `switchboard` command and the settings. Nothing below imports it."""
