"""What an agent's tool starts: a Python program that has nothing to do with a model."""

import sys

sys.stdout.write(f"openai loaded: {'openai' in sys.modules}\n")
