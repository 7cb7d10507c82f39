"""Services of other companies on this machine, for tests and `make up`. Production never imports them."""
