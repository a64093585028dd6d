"""Help, and checks of the command line, before torch is imported; a mistake is one line."""
