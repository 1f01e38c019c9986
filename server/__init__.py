"""How bytes arrive: the web application, the command line and the settings."""
