/*
 * What the two benchmark servers share: the HTTP work and the set-up, so that they differ in nothing but the way
 * they wait. Everything here works on memory that the caller owns; only the http_setup_* functions make system calls.
 *
 * The protocol: HTTP/1.0 and 1.1, keep-alive, pipelined requests, heads that arrive in any number of pieces, bodies with
 * Content-Length (skipped), HEAD. Each request is answered with the same prepared bytes. A chunked request body is
 * refused with 501, a malformed head with 400, a head that does not fit into HTTP_HEAD_MAX with 431; each of these ends the
 * connection.
 */
#ifndef VTHR_BENCH_HTTP_COMMON_H
#define VTHR_BENCH_HTTP_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole input buffer of a connection. On a thread's stack this is what a parked connection holds on to, so it is small. */
#define HTTP_HEAD_MAX 2048

struct http_request {
	size_t head_len;      /* bytes up to and including the empty line */
	uint64_t body_len;    /* bytes of body that follow the head */
	bool keep_alive;
	bool head_only;       /* HEAD: answer without a body */
};

/* 1: *req describes the request at buf; 0: the head is not complete yet; otherwise the negated HTTP status to refuse with. */
int http_parse(const char *buf, size_t len, struct http_request *req);

/* Takes the part of a request body off that lies in the next `available` bytes; returns how many those are. */
static inline size_t http_skip(uint64_t *body_left, size_t available)
{
	size_t here = *body_left < available ? (size_t)*body_left : available;

	*body_left -= here;
	return here;
}

struct http_bytes {
	const char *data;
	size_t len;
};

/* The prepared answer to a request, or (status from http_parse) the refusal. Valid for the life of the process. */
struct http_bytes http_answer(const struct http_request *req);
struct http_bytes http_refusal(int negative_status);

struct http_options {
	uint16_t port;
	int backlog;
	size_t body_size;
	size_t stack_size;    /* 0: the system's default; only the threaded server has a use for it */
};

/* Each of these prints what failed and exits when it cannot do its work. */
void http_setup_options(int argc, char **argv, bool threaded, struct http_options *opt);
void http_setup_answers(size_t body_size);
void http_setup_limits(void);
/* A listening socket on all IPv4 addresses; prints "listening on PORT". */
int http_setup_listen(const struct http_options *opt);

#endif
