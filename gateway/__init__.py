"""The gateway: one address in front of all services; knows no model and no schema."""
