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


def main():
    cut = "--cut" in sys.argv
    events = load(sys.argv[1], cut)
    names, slices, flows = {}, collections.defaultdict(list), collections.defaultdict(dict)
    for e in events:
        key = (e["pid"], e["tid"])
        if e["ph"] == "M":
            if e["name"] == "thread_name":
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
        if "f" in ends:
            key, at = ends["f"]
            check(at >= ends["s"][1], "a flow goes back in time", ends)
            check(cut or any(b == at and n == "running" for b, _, n in slices[key]), "a flow ends beside a slice", ends)
    if cut:
        return
    threads = {k: v for k, v in names.items() if k[0] == 1}
    check(len(threads) == 11, "threads", threads)
    check(sorted(threads.values())[0] == "tool_counted 0", "names", threads)
    check(any(k[0] == 2 for k in slices), "no carriers")
    did = collections.Counter(n for k, on in slices.items() if k[0] == 1 for _, _, n in on)
    for name in ("running", "ready", "sleep", "mutex", "read", "join"):
        check(did[name] > 0, "nobody is seen in", name, did)
    ran = {n for k, on in slices.items() if k[0] == 2 for _, _, n in on}
    check(ran >= set(threads.values()) | {"scheduler"}, "carriers ran", ran)
    check(len([1 for ends in flows.values() if "f" in ends]) >= 10, "wakes", len(flows))


main()
