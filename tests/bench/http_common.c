#include "http_common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- requests ---- */

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static bool has_prefix(const char *p, const char *end, const char *prefix, size_t len)
{
	return (size_t)(end - p) >= len && memcmp(p, prefix, len) == 0;
}

/* "Connection: a, close": is the word among the comma-separated ones of the value? */
static bool value_lists(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (p < end) {
		p = skip_blanks(p, end);
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;
		while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		if ((size_t)(stop - p) == len && strncasecmp(p, word, len) == 0)
			return true;
		p = comma ? comma + 1 : end;
	}
	return false;
}

static int parse_length(const char *p, const char *end, uint64_t *out)
{
	uint64_t value = 0;

	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (p == end || end - p > 18)
		return -400;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -400;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	*out = value;
	return 0;
}

/* METHOD SP target SP HTTP/1.x */
static int parse_request_line(const char *p, const char *end, struct http_request *req)
{
	const char *method_end = memchr(p, ' ', (size_t)(end - p));
	if (!method_end || method_end == p)
		return -400;
	const char *target = method_end + 1;
	const char *target_end = memchr(target, ' ', (size_t)(end - target));
	if (!target_end || target_end == target)
		return -400;
	const char *version = target_end + 1;
	if (end - version != 8 || !has_prefix(version, end, "HTTP/1.", 7) || (version[7] != '0' && version[7] != '1'))
		return -400;
	req->keep_alive = version[7] == '1';
	req->head_only = method_end - p == 4 && memcmp(p, "HEAD", 4) == 0;
	return 0;
}

static int parse_field(const char *p, const char *end, struct http_request *req)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	if (!colon || colon == p)
		return -400;
	const char *value = skip_blanks(colon + 1, end);

	switch (colon - p) {
	case 10:
		if (strncasecmp(p, "Connection", 10) == 0) {
			if (value_lists(value, end, "close"))
				req->keep_alive = false;
			else if (value_lists(value, end, "keep-alive"))
				req->keep_alive = true;
		}
		return 0;
	case 14:
		if (strncasecmp(p, "Content-Length", 14) == 0)
			return parse_length(value, end, &req->body_len);
		return 0;
	case 17:
		return strncasecmp(p, "Transfer-Encoding", 17) == 0 ? -501 : 0;
	default:
		return 0;
	}
}

int http_parse(const char *buf, size_t len, struct http_request *req)
{
	const char *blank = memmem(buf, len, "\r\n\r\n", 4);
	if (!blank)
		return len < HTTP_HEAD_MAX ? 0 : -431;

	const char *end = blank + 2; /* each line below ends with \r\n before this */
	const char *line = buf;
	const char *eol = memmem(line, (size_t)(end - line), "\r\n", 2);
	*req = (struct http_request){.head_len = (size_t)(blank + 4 - buf)};
	int rc = parse_request_line(line, eol, req);

	for (line = eol + 2; rc == 0 && line < end; line = eol + 2) {
		eol = memmem(line, (size_t)(end - line), "\r\n", 2);
		rc = parse_field(line, eol, req);
	}
	return rc ? rc : 1;
}

/* ---- answers ---- */

static struct http_bytes answer_keep, answer_close, answer_keep_head, answer_close_head;

static void build_answer(size_t body_size, const char *connection, struct http_bytes *full, struct http_bytes *head_only)
{
	char head[256];
	int head_len = snprintf(head, sizeof head,
	                        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n%sContent-Length: %zu\r\n\r\n",
	                        connection, body_size);
	char *data = malloc((size_t)head_len + body_size);
	if (!data) {
		fprintf(stderr, "no memory for a body of %zu bytes\n", body_size);
		exit(1);
	}
	memcpy(data, head, (size_t)head_len);
	for (size_t i = 0; i < body_size; i++)
		data[(size_t)head_len + i] = i + 1 == body_size ? '\n' : (char)('a' + i % 26);
	*full = (struct http_bytes){data, (size_t)head_len + body_size};
	*head_only = (struct http_bytes){data, (size_t)head_len};
}

void http_setup_answers(size_t body_size)
{
	build_answer(body_size, "", &answer_keep, &answer_keep_head);
	build_answer(body_size, "Connection: close\r\n", &answer_close, &answer_close_head);
}

struct http_bytes http_answer(const struct http_request *req)
{
	if (req->keep_alive)
		return req->head_only ? answer_keep_head : answer_keep;
	return req->head_only ? answer_close_head : answer_close;
}

#define REFUSAL(line) ((struct http_bytes){"HTTP/1.1 " line "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", \
	sizeof "HTTP/1.1 " line "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" - 1})

struct http_bytes http_refusal(int negative_status)
{
	switch (negative_status) {
	case -431:
		return REFUSAL("431 Request Header Fields Too Large");
	case -501:
		return REFUSAL("501 Not Implemented");
	default:
		return REFUSAL("400 Bad Request");
	}
}

/* ---- set-up ---- */

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static size_t number(const char *text, size_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > max) {
		fprintf(stderr, "not a number up to %zu: %s\n", max, text);
		exit(2);
	}
	return (size_t)value;
}

void http_setup_options(int argc, char **argv, bool threaded, struct http_options *opt)
{
	int c;

	*opt = (struct http_options){.backlog = 4096, .body_size = 128};
	while ((c = getopt(argc, argv, threaded ? "p:b:q:s:" : "p:b:q:")) != -1) {
		switch (c) {
		case 'p':
			opt->port = (uint16_t)number(optarg, UINT16_MAX);
			break;
		case 'b':
			opt->backlog = (int)number(optarg, 1 << 20);
			break;
		case 'q':
			opt->body_size = number(optarg, 1 << 30);
			break;
		case 's':
			opt->stack_size = number(optarg, (size_t)1 << 40);
			break;
		default:
			goto usage;
		}
	}
	if (optind == argc)
		return;
usage:
	fprintf(stderr, "usage: %s [-p PORT (0: any)] [-b BACKLOG] [-q BODY_BYTES]%s\n", argv[0],
	        threaded ? " [-s STACK_BYTES]" : "");
	exit(2);
}

void http_setup_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
}

int http_setup_listen(const struct http_options *opt)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(opt->port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	socklen_t len = sizeof addr;
	int one = 1;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	/* Linux hands TCP_NODELAY down from the listener, which spares a system call per connection. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one))
		die("setsockopt");
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr))
		die("bind");
	if (listen(fd, opt->backlog))
		die("listen");
	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		die("getsockname");
	printf("listening on %u\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}
