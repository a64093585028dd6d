"""Benchmarks as scored here and by lmms-eval's own functions, on generated answers."""
