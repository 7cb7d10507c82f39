"""What an adapter reads of the settings, for the environment of the older SDK, which has no other library."""

COMPATIBLE_PROVIDERS: tuple[str, ...] = ()
