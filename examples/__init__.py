"""Runnable examples: one small shop, and the same middlewares put around it in each of the supported ways."""
