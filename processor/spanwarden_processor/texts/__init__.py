"""What a text says: a refusal, the outcome of a test run, what a user asks or forbids, what an agent admits."""
