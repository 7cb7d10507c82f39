"""One module per wire protocol; each offers the functions of ``base.Wire``."""
