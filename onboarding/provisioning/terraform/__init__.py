"""Terraform for one repo: its state in our database, its command in a folder of its own."""
