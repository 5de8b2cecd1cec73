"""Runs a command as in a container: contained.py [--seccomp docker] [--caps docker|none|NAMES] [--map FIRST:OUTER:COUNT] [--user ID]
COMMAND...

--seccomp: Docker's default filter of system calls, in our words, as a program of our own. It is that of moby/profiles,
seccomp/default.json, at commit cd3bed8 (June 2026, after v0.2.3), for a container without CAP_SYS_ADMIN on a kernel from
4.8 on. There the list is of what is allowed; here of what the kernel's headers have and that list has not. What has a
number above the last that the profile knows is ENOSYS, as runc makes it since 1.0.0-rc93. A call by another set of numbers
than this processor's own is EPERM.

--caps: the bounding set of capabilities(7); Docker's fourteen, or others, by their names without CAP_.

--map: a user namespace of its own with this map, of users and of groups; `none` maps nobody.

--user: the user and the group, with no_new_privs.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys

REFUSED = """
    acct add_key bpf clock_settime clock_settime64 delete_module fanotify_init finit_module fsconfig fsmount fsopen
    fspick get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load
    kexec_load keyctl lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mbind migrate_pages mount
    mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
    process_madvise query_module quotactl quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node setdomainname
    sethostname setns settimeofday stime swapoff swapon sysfs syslog umount umount2 unshare userfaultfd uselib ustat
    vhangup _sysctl afs_syscall create_module get_kernel_syms getpmsg putpmsg security tuxcall vserver
""".split()
LAST = 466  # removexattrat: from 424 on the numbers are the same on every processor
NAMESPACES = 0x7E020000  # CLONE_NEW* but CLONE_NEWTIME
FAMILIES = (38, 40)  # AF_ALG, AF_VSOCK
PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)

CAPS = """
    audit_write chown dac_override fowner fsetid kill mknod net_bind_service net_raw setfcap setgid setpcap setuid sys_chroot
"""
NUMBERS = dict(
    chown=0, dac_override=1, dac_read_search=2, fowner=3, fsetid=4, kill=5, setgid=6, setuid=7, setpcap=8,
    net_bind_service=10, net_raw=13, sys_chroot=18, sys_ptrace=19, sys_admin=21, mknod=27, audit_write=29, setfcap=31,
)  # fmt: skip

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
EPERM, ENOSYS = 1, 38
LOAD, EQUAL, GREATER, AND, RETURN = 0x20, 0x15, 0x25, 0x54, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, CLONE_NEWUSER = 24, 22, 38, 0x10000000

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def numbers():
    """Of each call that the headers of the kernel know for this processor."""
    run = subprocess.run(
        ["cc", "-E", "-dM", "-"], input="#include <asm/unistd.h>", capture_output=True, text=True, check=True
    )
    found = re.findall(r"^#define __NR_(\w+) (\d+)$", run.stdout, re.MULTILINE)
    return {name: int(number) for name, number in found}


def program(nr):
    code = []

    def one(op, k, yes=0, no=0):
        code.append(struct.pack("HBBI", op, yes, no, k))

    def refuse(errno):
        one(RETURN, ERRNO | errno)

    def argument(index):
        one(LOAD, 16 + 8 * index)  # the lower half

    def only(call, size):
        """What follows, of this size, is for this call alone."""
        one(LOAD, 0)
        one(EQUAL, nr[call], 0, size)

    one(LOAD, 4)
    one(EQUAL, AUDIT_ARCH[os.uname().machine], 1, 0)
    refuse(EPERM)
    one(LOAD, 0)
    one(GREATER, LAST, 0, 1)
    refuse(ENOSYS)
    one(EQUAL, nr["clone3"], 0, 1)
    refuse(ENOSYS)
    for name in REFUSED:
        if name in nr:
            one(EQUAL, nr[name], 0, 1)
            refuse(EPERM)
    only("clone", 5)
    argument(0)
    one(AND, NAMESPACES)
    one(EQUAL, 0, 1, 0)
    refuse(EPERM)
    one(RETURN, ALLOW)
    only("socket", 5)
    argument(0)
    one(EQUAL, FAMILIES[0], 1, 0)
    one(EQUAL, FAMILIES[1], 0, 1)
    refuse(EPERM)
    one(RETURN, ALLOW)
    only("personality", 1 + 2 * len(PERSONALITIES) + 1)
    argument(0)
    for value in PERSONALITIES:
        one(EQUAL, value, 0, 1)
        one(RETURN, ALLOW)
    refuse(EPERM)
    one(RETURN, ALLOW)
    return code


def install():
    code = program(numbers())
    bytes_ = ctypes.create_string_buffer(b"".join(code))
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(bytes_)))
    check(libc.prctl(PR_SET_SECCOMP, 2, fprog, 0, 0), "seccomp")


def bound(names):
    kept = [NUMBERS[name] for name in names]
    with open("/proc/sys/kernel/cap_last_cap") as last:
        for number in range(int(last.read()) + 1):
            if number not in kept:
                check(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "bounding set")


def become_mapped(spec):
    """Of the new namespace the maps are written from outside, as newuidmap(1) does."""
    inside, told = os.pipe()
    wait, go = os.pipe()
    writer = os.getpid()
    if os.fork() == 0:
        os.read(inside, 1)
        for kind in ("uid", "gid") if spec != "none" else ():
            with open(f"/proc/{writer}/{kind}_map", "w") as file:
                file.write(spec.replace(":", " "))
        os.write(go, b"x")
        os._exit(0)
    check(libc.unshare(CLONE_NEWUSER), "unshare")
    os.write(told, b"x")
    os.read(wait, 1)
    os.wait()
    for fd in (inside, told, wait, go):
        os.close(fd)
    if spec != "none":
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def become(number):
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def main(args):
    while args[0].startswith("--"):
        option, value, *args = args
        if option == "--map":
            become_mapped(value)
        elif option == "--seccomp" and value == "docker":
            install()
        elif option == "--user":
            become(int(value))
        elif option == "--caps":
            bound({"docker": CAPS, "none": ""}.get(value, value).split())
        else:
            raise SystemExit(__doc__)
    os.execvp(args[0], args)


main(sys.argv[1:])
