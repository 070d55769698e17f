"""Which models a service can run, where their files are, and how they get there."""
