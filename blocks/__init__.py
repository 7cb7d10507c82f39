"""``blocks``: the format of verified blocks (``blocks.format``) and the command line that fetches and
checks them (``blocks.cli``).
"""

__version__ = "0.1.0"
