"""The demonstration behind `make run`: a mirror of drawn photos into which copies and look-alikes sync."""
