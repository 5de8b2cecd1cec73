"""Runs a command as the leader of a session with a terminal of its own.

    terminal.py COMMAND ARG...

What the command writes comes out of standard output, standard input is typed. When standard input
ends, or the command does, the terminal is hung up; the exit status is the command's.
"""
import os
import pty
import select
import sys

pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([master, 0], [], [])
    try:
        data = os.read(ready[0], 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1 if ready[0] == master else master, data)
os.close(master)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
