"""The verb ``prepare``: finds samples that need the full image, and writes them as a data set."""
