"""Stand-in providers of Terraform, in place of those that cannot be had here: for tests and `make up`."""
