"""The command line. `app.py` has the table of commands and their exit codes, `commands/` one thin file per command.

A command parses its flags, calls one function of the rooms below, writes files, and prints one line. `command.py` makes
flags of options classes, `options.py` has the options that several commands share.
"""
