"""Signing in by the company's OpenID provider: who may, and which roles the groups there stand for."""
