"""Reads the first words of a streamed answer and ends, with the stream still open and referred to."""

import sys

from openai import OpenAI

messages = [{"role": "user", "content": "Tell me a story."}]
stream = OpenAI(api_key="none").chat.completions.create(model="gpt-5", messages=messages, stream=True)  # type: ignore[call-overload]
for chunk in stream:
    sys.stdout.write(chunk.choices[0].delta.content or "")
    break
