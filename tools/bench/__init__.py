"""What ``bench_step.py`` runs: one training step, ours and others', on the same work."""
