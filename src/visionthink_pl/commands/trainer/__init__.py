"""The verbs of LightningCLI: fit, validate, test, predict."""
