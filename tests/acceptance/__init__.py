"""The whole product from outside: real servers, workers and doors; only the far end of the HTTP call is
played.
"""
