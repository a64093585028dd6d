"""The verb ``export``: a trained policy in the hub's formats, as adapter or merged weights."""
