"""CI jobs without a stored secret: the OIDC token of a job is exchanged for one of 15 minutes."""
