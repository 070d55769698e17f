"""The service skeleton that every Gantry service is built from."""
