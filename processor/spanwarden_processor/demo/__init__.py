"""The demo: real agents at work in throw-away directories, their model's turns recorded, their verdicts live."""
