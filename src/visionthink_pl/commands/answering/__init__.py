"""A trained policy, loaded from whatever a run or ``export`` wrote, answering questions."""
