# A service manager: `manager.py ADDRESS SETTINGS COMMAND...` listens at the address (a path, or @name)
# for sd_notify(3) messages, runs the command as its service, and tells both as lines of JSON.
# SETTINGS, in JSON: `env`; `execPid`, `watchdogPid`: set SYSTEMD_EXEC_PID, WATCHDOG_PID to the
# service's pid; `listen`: sockets for it, "tcp", "unix:PATH", "udp"; `hold`: keep BARRIER's descriptor
# until a line comes on standard input; `systemd`: be called so, and adopt orphans.
import array, ctypes, json, os, select, socket, struct, subprocess, sys, time

address, settings = sys.argv[1], json.loads(sys.argv[2])


def say(**what):
    print(json.dumps(what), flush=True)


def bind():
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    receiver.bind('\0' + address[1:] if address[0] == '@' else address)
    if address[0] != '@':
        os.chmod(address, 0o777)
    return receiver


def listener(kind):
    if kind == 'tcp':
        server = socket.create_server(('127.0.0.1', 0))
        say(port=server.getsockname()[1])
    elif kind == 'udp':
        server = socket.socket(type=socket.SOCK_DGRAM)
        server.bind(('127.0.0.1', 0))
        say(udp=server.getsockname()[1])
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(kind.partition(':')[2])
        server.listen()
    return server


def become_service():
    # What exec'd programs cannot know before: their own pid.
    if settings.get('execPid'):
        os.environ['SYSTEMD_EXEC_PID'] = str(os.getpid())
    if settings.get('watchdogPid'):
        os.environ['WATCHDOG_PID'] = str(os.getpid())
    listeners = settings.get('listen', [])
    if listeners:
        os.environ['LISTEN_PID'] = str(os.getpid())
        os.environ['LISTEN_FDS'] = str(len(listeners))
        os.environ['LISTEN_FDNAMES'] = ':'.join(kind.partition(':')[0] for kind in listeners)
    # First above all numbers that they shall have, or one would overwrite the other.
    high = [os.dup(server.fileno()) for server in servers]
    high = [os.dup2(fd, 100 + at) for at, fd in enumerate(high)]
    for at, fd in enumerate(high):
        os.dup2(fd, 3 + at, inheritable=True)
    os.closerange(3 + len(high), 200)
    os.execvp(sys.argv[3], sys.argv[3:])


def receive(receiver):
    data, ancillary, _, _ = receiver.recvmsg(8192, 4096)
    message = {'lines': data.decode().split('\n'), 'clock': time.monotonic_ns() // 1000, 'fds': []}
    fds = array.array('i')
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
        elif kind == socket.SCM_CREDENTIALS:
            message['pid'], message['uid'], _ = struct.unpack('3i', content)
    message['fds'] = [os.readlink(f'/proc/self/fd/{fd}') for fd in fds]
    say(**message)
    if not (settings.get('hold') and data == b'BARRIER=1'):
        for fd in fds:
            os.close(fd)
        return []
    return list(fds)


if settings.get('systemd'):
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    with open('/proc/self/comm', 'w') as comm:
        comm.write('systemd')
servers = [listener(kind) for kind in settings.get('listen', [])]
receiver = bind()
os.environ.update(settings.get('env', {}), NOTIFY_SOCKET=address)
service = os.fork()
if service == 0:
    os.dup2(2, 1)
    become_service()
say(service=service)
for server in servers:
    server.close()
held, exited = [], False
while True:
    ready, _, _ = select.select([receiver, 0], [], [], 0.05)
    if receiver in ready:
        held += receive(receiver)
        continue
    if 0 in ready:
        line = sys.stdin.readline()
        if not line:
            break
        if line == 'rebind\n':
            receiver.close()
            os.unlink(address)
            receiver = bind()
            say(rebound=True)
        for fd in held:
            os.close(fd)
        held = []
    # What it said before it exited was queued before.
    if not exited and os.waitid(os.P_PID, service, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if receiver in select.select([receiver], [], [], 0)[0]:
            continue
        _, status = os.waitpid(service, 0)
        exited = True
        say(exit=os.waitstatus_to_exitcode(status))
