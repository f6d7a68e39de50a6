"""What the middlewares share: pure functions and tiny objects that need only the standard library and do no I/O."""
