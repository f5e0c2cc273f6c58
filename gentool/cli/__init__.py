"""The command line. Start reading in `app.py`, the table of commands and exit codes; `commands/` has one file for each.

A command parses its flags, calls one function of the packages below it, writes files, and prints one line. `command.py`
makes flags of options classes, `options.py` has the options that several commands share.
"""
