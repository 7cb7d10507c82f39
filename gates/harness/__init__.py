"""What runs inside the sandbox: plain Python, pytest, coverage and jsonschema.

It imports no other part of the project.
"""
