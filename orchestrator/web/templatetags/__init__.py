"""What our templates may use beside Django's own; settings list it, so nothing has to be loaded."""
