"""Whether the servers are as the product needs them; ``manage.py doctor`` shows it."""
