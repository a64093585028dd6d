"""What is said before torch is loaded: help, and what is wrong with a command line, in one line."""
