"""The verbs of Lightning's own command line: fit, validate, test, predict."""
