"""The command line: fit and the like, plan, prepare, report, export."""
