"""The verb ``ask``: one question about images, on the command line."""
