"""The plug-in for lmms-eval, which finds it by the entry point ``lmms_eval.models``."""
