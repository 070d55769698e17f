"""What the training of several services' `demo-…` models has in common; no service runs it."""
