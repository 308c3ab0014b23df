"""trace_check.py FILE [--cut]: an event trace is what Perfetto and chrome://tracing take, and tells of tests/tool/counted.c what it does.
--cut: the process was killed."""
import collections
import json
import sys


def load(path, cut):
    text = open(path).read()
    if cut:  # an array without its end
        lines = text.split("\n")
        for n in range(len(lines), 0, -1):
            try:
                return json.loads("\n".join(lines[:n]).rstrip(",") + "]")
            except ValueError:
                continue
    return json.loads(text)


def check(ok, what, *more):
    if not ok:
        sys.exit("FAILED: %s: %s" % (what, " ".join(map(str, more))))


def ns(us):
    return round(us * 1000)


NUMBER = (int, float)
# What the format wants of each kind of event, beside "ph", "pid" and "tid": field, and its type or its values.
WANTED = {
    "M": {"name": ("process_name", "thread_name"), "args": dict},
    "X": {"name": str, "ts": NUMBER, "dur": NUMBER},
    "i": {"name": str, "ts": NUMBER, "s": ("g", "p", "t")},
    "s": {"name": str, "cat": str, "ts": NUMBER, "id": int},
    "f": {"name": str, "cat": str, "ts": NUMBER, "id": int, "bp": ("e",)},
}


def check_format(events):
    """The rules of the trace event format, of which the viewers leave out silently what breaks them."""
    check(isinstance(events, list) and events, "not an array of events")
    for e in events:
        check(isinstance(e, dict) and e.get("ph") in WANTED, "no kind of event", e)
        check(all(type(e.get(k)) is int and 0 <= e[k] < 1 << 32 for k in ("pid", "tid")), "no track", e)
        for field, want in WANTED[e["ph"]].items():
            value = e.get(field)
            if isinstance(want, tuple) and isinstance(want[0], str):
                check(value in want, "not a known " + field, e)
            else:
                check(isinstance(value, want) and not isinstance(value, bool), "no " + field, e)
            check(want is not NUMBER or value >= 0, "negative " + field, e)
        if e["ph"] == "M":
            check(isinstance(e["args"].get("name"), str) and e["args"]["name"], "a track without a name", e)
        if "args" in e:
            check(isinstance(e["args"], dict), "args", e)


def check_flow_begins(ends, slices):
    """An arrow comes out of the slice of its track that its time lies in."""
    key, at = ends["s"]
    check(any(a <= at <= b for a, b, _ in slices[key]), "a flow begins outside of all slices", ends)


def main():
    cut = "--cut" in sys.argv
    events = load(sys.argv[1], cut)
    check_format(events)
    processes = [e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"]
    check(len(processes) == len(set(processes)) == 2, "not a process for threads and one for carriers", processes)
    names, slices, flows = {}, collections.defaultdict(list), collections.defaultdict(dict)
    for e in events:
        key = (e["pid"], e["tid"])
        if e["ph"] == "M":
            if e["name"] == "thread_name":
                check(key[0] == 1 or key not in names, "a carrier's track has two names", e)
                names[key] = e["args"]["name"]
        elif e["ph"] == "X":
            slices[key].append((ns(e["ts"]), ns(e["ts"]) + ns(e["dur"]), e["name"]))
        elif e["ph"] in "sf":
            check(e["ph"] not in flows[e["id"]], "a flow has two ends of a kind", e)
            flows[e["id"]][e["ph"]] = (key, ns(e["ts"]))
        else:
            check(e["ph"] == "i" and "lost" not in e["name"], "unexpected", e)
    for key, on_track in slices.items():
        check(key in names, "no name of track", key)
        last = 0
        for begin, end, name in sorted(on_track):
            check(begin >= last, "slices overlap on track", names[key], begin, last, name)
            last = end
    for ends in flows.values():
        check("s" in ends, "a flow without a beginning", ends)
        if not cut:
            check_flow_begins(ends, slices)
        if "f" in ends:
            key, at = ends["f"]
            check(at >= ends["s"][1], "a flow goes back in time", ends)
            check(cut or any(b == at and n == "running" for b, _, n in slices[key]), "a flow ends beside a slice", ends)
    if cut:
        return
    threads = {k: v for k, v in names.items() if k[0] == 1}
    check(len(threads) == 11, "threads", threads)
    check(sorted(threads.values())[0] == "tool_counted 0", "names", threads)
    carriers = [k for k in names if k[0] == 2]
    check(1 <= len({k for k in slices if k[0] == 2}) <= len(carriers), "no carriers", carriers)
    check({k for k in slices if k[0] == 1} == set(threads), "a thread without slices", threads)
    on = {e["args"]["carrier"] for e in events if e["ph"] == "X" and e["pid"] == 1 and e["name"] == "running"}
    check(on <= {k[1] for k in carriers}, "ran on what is no carrier", on, carriers)
    did = collections.Counter(n for k, on in slices.items() if k[0] == 1 for _, _, n in on)
    for name in ("running", "ready", "sleep", "mutex", "read", "join"):
        check(did[name] > 0, "nobody is seen in", name, did)
    ran = {n for k, on in slices.items() if k[0] == 2 for _, _, n in on}
    check(ran >= set(threads.values()) | {"scheduler"}, "carriers ran", ran)
    check(len([1 for ends in flows.values() if "f" in ends]) >= 10, "wakes", len(flows))


main()
