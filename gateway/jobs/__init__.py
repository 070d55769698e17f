"""Jobs: inference requests that are answered later and survive a kill of any process."""
