"""Virtual threads (vthreads) of libvthr in gdb: live processes and core files alike.

How it works.  The library exports a descriptor, vthr_debug (docs/debug-interface.md), with the places and layouts of what is
read here: no debug information of the library is needed.  Nothing in the target is ever written, no register either, which
is what makes core files work: see present.py.

    memory      reading the target
    descriptor  what the library says of itself
    vthread     one vthread
    placing     where its registers are: in an OS thread or saved
    present     a saved stack presented to gdb
    stacks      the functions of each stack, found once for all that have the same
    names       names of addresses
    waits       what each waits for, and whom
    session     one command's view of all of it
    tree        the native API's tasks by their parents

and a module for each command: info_vthreads, info_locks, vthread_commands, core_file.  own_faults is for a program that the library
mends thread pointers in."""

from . import core_file, info_locks, info_vthreads, own_faults, present, vthread_commands


def register():
    present.register()
    info_vthreads.InfoVthreads()
    info_locks.InfoVthreadLocks()
    vthread_commands.VthreadCommand()
    vthread_commands.VthreadApply()
    vthread_commands.VthreadFind()
    core_file.VthreadGenerateCoreFile()
    own_faults.register()


def unregister():
    """Before other definitions take over; commands are replaced by those of the same name."""
    own_faults.unregister()
