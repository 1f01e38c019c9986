"""Who calls and what they may do: tokens, passwords, scopes and the limits of failed logins."""
