"""How Gantry is installed and run: environment, images, and the supervisor of local processes."""
