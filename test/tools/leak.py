"""Runs a command as a careless starter does: with descriptors that it has left open.

    leak.py [NAME=NUMBER ...] -- COMMAND ARG...

NAME is file, socket, null, tty (a terminal of its own), eventfd, read or write (an end of a pipe whose
other end stays here), or pipe (NUMBER and the next are the two ends). The command gets LISTEN_PID, if
that is set and empty, as its own pid. The exit status is the command's.
"""
import os
import pty
import socket
import sys

at = sys.argv.index('--')
kept = []
# What this program was itself left by a careless starter.
os.closerange(3, 4096)


def make(name):
    if name == 'file':
        return [os.open('/etc/passwd', os.O_RDONLY)]
    if name == 'socket':
        pair = socket.socketpair()
        kept.append(pair[1])
        return [pair[0].detach()]
    if name == 'null':
        return [os.open('/dev/null', os.O_RDWR)]
    if name == 'tty':
        master, slave = pty.openpty()
        kept.append(master)
        return [slave]
    if name == 'eventfd':
        return [os.eventfd(0)]
    read, write = os.pipe()
    if name == 'pipe':
        return [read, write]
    kept.append(write if name == 'read' else read)
    return [read if name == 'read' else write]


def place(fd, number):
    os.dup2(fd, number, inheritable=True)


wanted = []
for word in sys.argv[1:at]:
    name, number = word.split('=')
    fds = [os.dup(fd) for fd in make(name)]
    wanted += [(fd, int(number) + i) for i, fd in enumerate(fds)]

pid = os.fork()
if pid == 0:
    if os.environ.get('LISTEN_PID') == '':
        os.environ['LISTEN_PID'] = str(os.getpid())
    for fd, number in wanted:
        place(fd, number)
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
# The ends of a pipe stay open here too, as with a starter that waits for the end of its output.
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
