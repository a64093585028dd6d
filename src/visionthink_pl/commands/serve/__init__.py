"""The verb ``serve``: an OpenAI-compatible endpoint that runs both turns."""
