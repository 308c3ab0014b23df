# shellcheck shell=bash disable=SC2154
# What scripts/bench makes of its CSV files: tables and plots. Uses its variables; reads $out/*.csv, writes to the standard
# output and to $out/*.svg.

# Functions for awk: the median of a list "a b c", a ratio that is "-" where one side is missing.
awk_functions='
function median(list,   n, v, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return n == 0 ? "" : n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}
function ratio(a, b) { return a == "" || b == "" || b == 0 ? "-" : sprintf("%.2f", a / b) }
'

# Medians per variant and number of connections: "connections variant rps p50 p99 errors threads rss pte cpu others".
http_medians() {
	awk -F, "$awk_functions"'
	NR == 1 { next }
	{
		key = $2 " " $1
		if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
		for (i = 4; i <= 12; i++) all[key, i] = all[key, i] " " $i
		errors[key] += $7
	}
	END {
		for (k = 1; k <= keys; k++) {
			key = order[k]
			printf "%s", key
			for (i = 4; i <= 12; i++) printf " %s", i == 7 ? errors[key] : median(all[key, i])
			printf "\n"
		}
	}' "$out/http.csv"
}

report_http() {
	echo "medians of $rounds rounds of ${seconds} s, ${churn:+one connection per request, }server on CPU $server_cpu, wrk on CPU $client_cpu"
	echo "command: ${command[*]}"
	http_medians | awk "$awk_functions"'
	BEGIN {
		printf "%11s  %-7s %9s %9s %9s %7s %8s %8s %10s %7s\n", "connections", "variant", "req/s", "p50 ms", "p99 ms", "errors", "threads", "RSS MiB", "CPU us/req", "others"
	}
	function ratios() {
		printf "%11s  shim/native %s  shim/libev %s  p99 shim/native %s  p99 shim/libev %s\n\n", "", ratio(rps["shim"], rps["native"]),
			ratio(rps["shim"], rps["libev"]), ratio(p99["shim"], p99["native"]), ratio(p99["shim"], p99["libev"])
		delete rps
		delete p99
	}
	NR > 1 && $1 != last { ratios() }
	{
		last = $1
		rps[$2] = $3
		p99[$2] = $5
		printf "%11d  %-7s %9.0f %9.2f %9.2f %7d %8d %8.1f %10.2f %6d%%\n", $1, $2, $3, $4 / 1000, $5 / 1000, $6, $7, $8 / 1024, $10, $11
	}
	$11 >= 5 { disturbed = 1 }
	END {
		if (NR) ratios()
		if (disturbed) print "Other programs took 5 % or more of the server'"'"'s core (column others): repeat this on a quiet machine.\n"
	}'
}

report_idle() {
	awk -F, '
	NR == 1 { printf "%-7s %16s %9s %8s %14s %14s\n", "variant", "idle connections", "answered", "threads", "KiB/connection", "tables/conn."; next }
	{ printf "%-7s %16d %9d %8d %14.2f %14.2f\n", $1, $2, $3, $4, $5 / $2, $6 / $2 }
	END { print "" }' "$out/idle.csv"
}

report_pairs() {
	awk -F, "$awk_functions"'
	NR == 1 { next }
	{
		if (!($3 in unit)) { unit[$3] = $5; order[++names] = $3 }
		all[$1, $3] = all[$1, $3] " " $4
	}
	END {
		printf "%-20s %12s %12s  %-8s %s\n", "", "native", "shim", "unit", "native/shim"
		for (i = 1; i <= names; i++) {
			n = order[i]
			a = median(all["native", n])
			b = median(all["shim", n])
			printf "%-20s %12s %12s  %-8s %s\n", n, a == "" ? "-" : sprintf("%.1f", a), b == "" ? "-" : sprintf("%.1f", b), unit[n], ratio(a, b)
		}
		print ""
	}' "$1"
}

# ---- plots ----

# plot FILE TITLE COLUMN SCALE EXTRA: COLUMN of the medians by connections, one line per variant.
plot() {
	local variant lines=''
	for variant in "${variants[@]}"; do
		[[ -s $tmp/$variant.dat ]] || continue
		lines+="${lines:+, }'$tmp/$variant.dat' using 1:(\$$3*$4) with linespoints linewidth 2 pointtype 7 title '$variant'"
	done
	[[ -n $lines ]] || return 0
	gnuplot <<-EOF
		set terminal svg size 800,500 background '#ffffff'
		set output '$out/$1'
		set title '$2'
		set xlabel 'connections'
		set logscale x
		set xrange [*:*] noextend
		set offsets graph 0.05, graph 0.05
		set xtics ($(sed 's/ *$//; s/  */, /g' <<<"$connections"))
		set grid
		$5
		plot $lines
	EOF
}

plot_http() {
	local variant
	[[ $connections == *[0-9]\ [0-9]* ]] || return 0 # a line needs two points
	if ! have gnuplot; then
		say "no plots: gnuplot is not installed (apt-get install gnuplot-nox)"
		return
	fi
	for variant in "${variants[@]}"; do
		http_medians | awk -v v="$variant" '$2 == v { $2 = ""; print }' | sort -n >"$tmp/$variant.dat"
	done
	# The columns now: connections rps p50 p99.
	plot rps.svg "requests per second" 2 1 "set yrange [0:*]; set key bottom left"
	plot p99.svg "99th percentile of the latency, ms" 4 0.001 "set logscale y; set key top left"
	say "plots: $out/rps.svg $out/p99.svg"
}

# The ratio is the median of the pairs' ratios.
report_overhead() {
	echo "programs without threads: CPU seconds, medians of $rounds rounds"
	awk -F, "$awk_functions"'
	NR == 1 { next }
	{
		if (!($1 in seen)) { seen[$1] = 1; order[++n] = $1 }
		all[$1, $3] = all[$1, $3] " " $4
		value[$1, $2, $3] = $4
		if ($2 > last) last = $2
	}
	END {
		printf "%-8s %9s %9s %7s\n", "program", "native", "shim", "ratio"
		for (i = 1; i <= n; i++) {
			ratios = ""
			for (r = 1; r <= last; r++)
				if (value[order[i], r, "native"] > 0)
					ratios = ratios " " value[order[i], r, "shim"] / value[order[i], r, "native"]
			printf "%-8s %9.3f %9.3f %7.3f\n", order[i], median(all[order[i], "native"]), median(all[order[i], "shim"]), median(ratios)
		}
	}' "$out/overhead.csv"
}
