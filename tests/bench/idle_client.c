/*
 * Holds many keep-alive connections open at once, and checks that the server answers on every one of them: once when it is
 * opened, and once more after all have been idle.
 *
 *     idle_client -p PORT [-a ADDRESS] [-n CONNECTIONS] [-t IDLE_SECONDS] [-u PATH]
 *
 * Prints "open N of M", then after the second check "ok N failed M". Between the two lines the server holds the idle
 * connections, and its memory can be read. Exits with 0 if every connection gave both answers.
 *
 * The source addresses 127.0.0.1, .2, ... take 10,000 connections each, because the ports of one address do not suffice
 * (the range is 28,000 by default, and closed connections keep theirs for a minute). For another -a there is one source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PER_SOURCE 10000
#define ANSWER_SECONDS 30

static struct sockaddr_in server = {.sin_family = AF_INET};
static char request[1024];
static int complaints;

/* The first few failures in full: thousands of equal lines help nobody. */
static bool failed(int index, const char *what)
{
	if (complaints++ < 5)
		fprintf(stderr, "idle_client: connection %d: %s%s%s\n", index + 1, what, errno ? ": " : "", errno ? strerror(errno) : "");
	return false;
}

static int open_connection(int index)
{
	struct sockaddr_in source = {.sin_family = AF_INET};
	struct timeval timeout = {.tv_sec = ANSWER_SECONDS};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		failed(index, "socket");
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (ntohl(server.sin_addr.s_addr) >> 24 == 127) {
		/* The port is chosen by connect, when both ends are known: one port can serve several destinations. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
		source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(index / PER_SOURCE));
		if (bind(fd, (struct sockaddr *)&source, sizeof source)) {
			failed(index, "bind");
			close(fd);
			return -1;
		}
	}
	if (connect(fd, (struct sockaddr *)&server, sizeof server)) {
		failed(index, "connect");
		close(fd);
		return -1;
	}
	return fd;
}

static bool ask(int index, int fd)
{
	size_t len = strlen(request);

	errno = 0;
	return send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len || failed(index, "send");
}

/* The value of Content-Length in a complete head, or -1. */
static long content_length(const char *head, const char *end)
{
	for (const char *line = head; line < end; line = memmem(line, (size_t)(end - line), "\r\n", 2) + 2)
		if (end - line > 15 && strncasecmp(line, "Content-Length:", 15) == 0)
			return strtol(line + 15, NULL, 10);
	return -1;
}

/* Reads one whole response, which must be a 200 with a length. */
static bool check_answer(int index, int fd)
{
	char buf[16384];
	size_t have = 0;
	char *end;

	errno = 0;
	for (;;) {
		ssize_t n = recv(fd, buf + have, sizeof buf - 1 - have, 0);
		if (n <= 0)
			return failed(index, n ? "recv" : "closed by the server");
		have += (size_t)n;
		buf[have] = '\0';
		end = memmem(buf, have, "\r\n\r\n", 4);
		if (end)
			break;
		if (have == sizeof buf - 1)
			return failed(index, "the head of the answer is too long");
	}
	if (strncmp(buf, "HTTP/1.", 7) || strncmp(buf + 8, " 200", 4))
		return failed(index, "the answer is not a 200");
	long left = content_length(buf, end + 2);
	if (left < 0)
		return failed(index, "the answer has no Content-Length");
	left -= (long)(have - (size_t)(end + 4 - buf));
	while (left > 0) {
		ssize_t n = recv(fd, buf, left < (long)sizeof buf ? (size_t)left : sizeof buf, 0);
		if (n <= 0)
			return failed(index, "the body is cut off");
		left -= n;
	}
	return left == 0 || failed(index, "more than one answer");
}

static int number(const char *text, int max)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < 0 || value > max) {
		fprintf(stderr, "idle_client: not a number from 0 to %d: %s\n", max, text);
		exit(2);
	}
	return (int)value;
}

/* Exits when the limit on descriptors cannot cover n connections. */
static void raise_limit(int n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < (rlim_t)n + 16) {
		fprintf(stderr, "idle_client: %d connections need more than the %ju descriptors allowed (ulimit -Hn)\n", n,
		        (uintmax_t)limit.rlim_cur);
		exit(1);
	}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1", *path = "/";
	int c, n = 15000, idle = 2, ok = 0, opened = 0;

	while ((c = getopt(argc, argv, "p:a:n:t:u:")) != -1) {
		switch (c) {
		case 'p':
			server.sin_port = htons((unsigned short)number(optarg, 65535));
			break;
		case 'a':
			address = optarg;
			break;
		case 'n':
			n = number(optarg, 1000000);
			break;
		case 't':
			idle = number(optarg, 86400);
			break;
		case 'u':
			path = optarg;
			break;
		default:
			goto usage;
		}
	}
	if (optind != argc || !server.sin_port || n < 1 || inet_pton(AF_INET, address, &server.sin_addr) != 1)
		goto usage;
	if ((size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address) >= sizeof request)
		goto usage;
	raise_limit(n);
	int *fds = malloc((size_t)n * sizeof *fds);
	if (!fds)
		return 1;

	double begin = seconds();
	for (int i = 0; i < n; i++) {
		fds[i] = open_connection(i);
		if (fds[i] >= 0 && !(ask(i, fds[i]) && check_answer(i, fds[i]))) {
			close(fds[i]);
			fds[i] = -1;
		}
		opened += fds[i] >= 0;
	}
	printf("open %d of %d in %.2f s\n", opened, n, seconds() - begin);
	fflush(stdout);
	sleep((unsigned)idle);

	/* All requests first, so that all the idle connections become busy at once. */
	begin = seconds();
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0 && !ask(i, fds[i])) {
			close(fds[i]);
			fds[i] = -1;
		}
	for (int i = 0; i < n; i++)
		ok += fds[i] >= 0 && check_answer(i, fds[i]);
	printf("ok %d failed %d in %.2f s\n", ok, n - ok, seconds() - begin);
	return ok == n ? 0 : 1;

usage:
	fprintf(stderr, "usage: %s -p PORT [-a IPV4_ADDRESS] [-n CONNECTIONS] [-t IDLE_SECONDS] [-u PATH]\n", argv[0]);
	return 2;
}
