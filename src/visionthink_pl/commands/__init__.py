"""The command line: fit and the like, plan, prepare, evaluate, compare, ask, serve and more."""
