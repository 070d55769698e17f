"""Makes, checks and holds `demo-drawing-symbols`, a small detector for engineering drawings."""
