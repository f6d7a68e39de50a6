"""A small but real Starlette application to put middlewares around: `examples.shop.app:app`."""
