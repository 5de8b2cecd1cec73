"""Runs a command with standard streams of one kind, and tells what became of them.

    streams.py tty|pipe|socket|file DIRECTORY COMMAND ARG...

Prints JSON: `output`, all that came out of the streams; `released`, whether the command still ran when
they had ended, as they do when nobody has them open any more; `cooked`, whether the terminal had its
ordinary mode then; `status`. The command is the leader of a session, to which a terminal belongs.
"""
import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios

kind, directory, command = sys.argv[1], sys.argv[2], sys.argv[3:]
# Only what is hung up on purpose shall end the command.
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.closerange(3, 4096)


def claim_terminal():
    if kind == 'tty':
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


writer = None
if kind == 'tty':
    ours, theirs = pty.openpty()
    stdin = theirs
elif kind == 'pipe':
    stdin, writer = os.pipe()
    ours, theirs = os.pipe()
elif kind == 'socket':
    ours, theirs = (end.detach() for end in socket.socketpair())
    stdin = theirs
else:
    path = os.path.join(directory, 'streams')
    theirs = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ours, stdin = None, os.open('/etc/passwd', os.O_RDONLY)

child = subprocess.Popen(command, stdin=stdin, stdout=theirs, stderr=theirs,
                         start_new_session=True, preexec_fn=claim_terminal)
for fd in {stdin, theirs}:
    os.close(fd)

output = b''
cooked = released = None
if ours is not None:
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        if not data:
            break
        output += data
    released = child.poll() is None
    if kind == 'tty':
        cooked = bool(termios.tcgetattr(ours)[3] & termios.ICANON)
try:
    status = child.wait(60)
except subprocess.TimeoutExpired:
    child.kill()
    status = child.wait()
if kind == 'file':
    output = open(path, 'rb').read()
print(json.dumps({'output': output.decode(), 'released': released, 'cooked': cooked, 'status': status}))
