"""What a tool call does: shell text to commands, commands and other tools' arguments to effects."""
