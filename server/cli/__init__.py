"""The `switchboard` command, one file for each subcommand. Nothing imports it."""
