# Virtual threads (vthreads) of libvthr in gdb: live processes and core files alike.
#
#   info vthreads [-tree] [REGEX]        list them, and what each waits for
#   info vthread-locks [REGEX]           who waits for whom; deadlocks
#   vthread ID                           the stack of one
#   vthread apply all bt                 the stacks of all; any command in place of bt
#   vthread find REGEX                   those whose name, wait or stack matches
#   vthread generate-core-file [FILE]    gdb's generate-core-file, with the stacks
#
# Loading.  gdb loads this file by itself when it lies beside the library as libvthr.so-gdb.py (the build puts a link there)
# or in gdb's auto-load directory (`cmake --install` puts it there), if its safe path allows the place:
#       add-auto-load-safe-path /path/to/build        in ~/.gdbinit
# or, by hand, at any time:
#       source scripts/libvthr-gdb.py
#
# The commands are in the package libvthr_gdb, beside this file.  Loaded again (another program, an edited script) its new
# definitions take over.

def libvthr_gdb_load():
    import os
    import sys
    # __file__ may be another script's, which has sourced this one.
    directory = os.path.dirname(os.path.realpath(libvthr_gdb_load.__code__.co_filename))
    old = sys.modules.get('libvthr_gdb')
    if old:
        old.unregister()
    for name in [n for n in sys.modules if n.partition('.')[0] == 'libvthr_gdb']:
        del sys.modules[name]
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the directory is the package manager's
    sys.path.insert(0, directory)
    try:
        import libvthr_gdb
        libvthr_gdb.register()
    finally:
        sys.path.remove(directory)
        sys.dont_write_bytecode = written


libvthr_gdb_load()
