# shellcheck shell=bash
# What the scripts share. Source it; it sets $root and $build, and does nothing else.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD_DIR:-$root/build}

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- packages ----

# The named Debian packages that are not installed. "command:package" counts as installed when the command is on PATH,
# wherever it came from.
missing_packages() {
	local item name
	for item in "$@"; do
		name=${item#*:}
		if [[ $item == *:* ]] && have "${item%%:*}"; then
			continue
		fi
		if [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
			printf '%s\n' "$name"
		fi
	done
}

as_root() {
	if [[ $(id -u) == 0 ]]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Runs apt-get as root. The lock is waited for, since unattended upgrades like to run on fresh machines.
apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >&2
}

# Some packages bring a service. While they are being installed a policy-rc.d that answers 101 keeps it from being started;
# where the machine already has a policy, that one stays and decides.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
forbid_services() {
	if [[ ! -e $policy ]]; then
		policy_is_ours=1
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	fi
}
allow_services() {
	if [[ -n $policy_is_ours ]]; then
		as_root rm -f $policy
		policy_is_ours=
	fi
}

# Installs those of the packages that are missing; does nothing, and needs no root, when none is. Fails when one cannot be
# installed. In a subshell, so that the policy goes away again however this ends.
need_packages() (
	local missing
	have dpkg-query || die "not a Debian system: these are needed, install them by hand: $*"
	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]})) || return 0
	if [[ $(id -u) != 0 ]] && ! have sudo; then
		die "run this as root: apt-get install ${missing[*]}"
	fi
	say "installing: ${missing[*]}"
	trap allow_services EXIT
	trap 'exit 130' INT TERM HUP
	forbid_services
	# Without an update first: the lists may be good. Old or absent ones show in the install's failure.
	if ! apt_get install -y --no-install-recommends "${missing[@]}" 2>/dev/null; then
		apt_get update || say "apt-get update failed; trying with the lists at hand"
		apt_get install -y --no-install-recommends "${missing[@]}" || die "cannot install: ${missing[*]}"
	fi
)

# The same for packages that one can do without: each that cannot be installed is named, and the script goes on.
want_packages() {
	local package missing
	have dpkg-query || return 0
	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]})) || return 0
	(need_packages "${missing[@]}") && return
	for package in "${missing[@]}"; do
		(need_packages "$package") || say "going on without $package"
	done
}

build_packages=(gcc:gcc libc6-dev make:make cmake:cmake libev-dev libunwind-dev)
# shellcheck disable=SC2034 # used by the scripts that source this
test_build_packages=("${build_packages[@]}" g++:g++ libgtest-dev)

# ---- building ----

# build_targets [-DOPTION...] [TARGET...]: configures and builds; all targets when none is named.
build_targets() {
	local -a options=() targets=()
	local arg
	for arg in "$@"; do
		case $arg in
		-D*) options+=("$arg") ;;
		*) targets+=("$arg") ;;
		esac
	done
	mkdir -p "$build"
	cmake -S "$root" -B "$build" "${options[@]}" >"$build/build.log" 2>&1 || build_failed
	cmake --build "$build" -j "$(nproc)" ${targets[@]:+--target "${targets[@]}"} >>"$build/build.log" 2>&1 || build_failed
}

build_failed() {
	tail -n 60 "$build/build.log" >&2
	die "the build failed; the whole output is in $build/build.log"
}
