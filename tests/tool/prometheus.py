# prometheus.py <TEXT: is it the Prometheus text exposition format (0.0.4), as strictly as its tools take it?  Prints the samples.
import re
import sys

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
text = sys.stdin.read()
assert text.endswith('\n'), 'the last line does not end'
helps, types, seen, current = {}, {}, set(), None
for line in text[:-1].split('\n'):
    m = re.fullmatch(r'# (HELP|TYPE) (%s) (.+)' % NAME, line)
    if m:
        what, family, rest = m.groups()
        table = helps if what == 'HELP' else types
        assert family not in table, line + ': twice'
        table[family] = rest
        assert what == 'HELP' or rest in ('counter', 'gauge'), line
        assert not any(s.split('{')[0] == family for s in seen), line + ': behind its samples'
        current = family
        continue
    m = re.fullmatch(r'(%s)(\{%s(?:,%s)*\})? (\d+)' % (NAME, LABEL, LABEL), line)
    assert m, 'not a sample: ' + line
    family = m.group(1)
    assert family == current and family in helps and family in types, line + ': of another family, or of one without HELP and TYPE'
    assert (types[family] == 'counter') == family.endswith('_total'), line + ': a counter ends in _total, nothing else'
    sample = family + (m.group(2) or '')
    assert sample not in seen, line + ': twice'
    seen.add(sample)
    print(line)
assert set(helps) == set(types) == {s.split('{')[0] for s in seen}, 'a family without samples'
