"""One module a noun. Each exposes `def register(app: typer.Typer) -> None`, which adds its commands to the app given:

    def register(app: typer.Typer) -> None:
        app.command("price")(price)                    # one command
        app.add_typer(_keys_app(), name="keys")        # or a group: `bursar keys create`

A module is imported only when its command is called, so its imports may be what it needs; its line in the list of
`bursar --help` stands in `cli/main.py`, and a test compares it with the docstring's first line. Options are written
with `Annotated`; `--data`, `--config`, `--period`, `--tz`, `--format` are spelled as in `cli/options.py`. A BursarError
raised anywhere becomes one line on stderr and exit code 2 (wrong usage, bad input) or 1 (anything else, a finding).
"""
