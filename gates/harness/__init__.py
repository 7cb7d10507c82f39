"""What runs inside the sandbox: plain Python, pytest, coverage and jsonschema.

It imports nothing of the rest.
"""
