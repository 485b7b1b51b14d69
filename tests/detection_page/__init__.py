"""`docs/detection.md`: its tables and examples made anew from what today's rules say."""
