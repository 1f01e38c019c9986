"""The pages for browsers, which web/ contains and `make pages` builds: their files and responses."""
