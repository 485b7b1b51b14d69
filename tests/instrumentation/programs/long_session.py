"""A chat of as many turns as the argument says; each turn adds a kilobyte, and each request repeats all before it."""

import sys
from typing import Any

from openai import OpenAI


def main() -> None:
    client = OpenAI(api_key="none")
    messages: list[Any] = [{"role": "system", "content": "Answer in a word."}]
    for turn in range(int(sys.argv[1])):
        messages.append({"role": "user", "content": f"{turn} " + "a word or two " * 70})
        answer = client.chat.completions.create(model="gpt-5", messages=messages)
        messages.append(answer.choices[0].message)
    sys.stdout.write(f"{sum(len(str(message)) for message in messages)}\n")


main()
