"""Which samples need the full image: counted with a policy, written as a data set."""
