"""The web process: one loop that holds every connection, and threads that do the work of a request.

A connection that waits (for a slow client, or for the next event of a flow) costs memory in the loop and no
thread, so it takes nothing from those who are answered.
"""
