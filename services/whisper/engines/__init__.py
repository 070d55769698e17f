"""What runs in the service's child processes: the listener and the recogniser."""
