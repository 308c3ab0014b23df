/*
 * The bound: the same protocol work as http_threads.c, written by hand on libev. One loop, one watcher per connection,
 * state in a small struct. It reads once per readiness (level-triggered, nothing is lost), answers directly, and asks for
 * writability only after EAGAIN, so steady traffic costs one epoll_wait per batch and a recv and a send per request.
 */
#include "http_common.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
	ev_io io;
	bool closing;              /* close once out is written */
	struct http_bytes out;     /* what the last send left over */
	uint64_t skip;             /* bytes of a request body still to be dropped */
	size_t have;               /* unconsumed bytes at the start of buf */
	struct connection *next;   /* in the free list */
	char buf[HTTP_HEAD_MAX];
};

static struct connection *spare;

static struct connection *connection_new(void)
{
	struct connection *conn = spare;

	if (conn)
		spare = conn->next;
	else
		conn = malloc(sizeof *conn);
	if (conn) {
		conn->closing = false;
		conn->out.len = 0;
		conn->skip = 0;
		conn->have = 0;
	}
	return conn;
}

static void connection_end(struct ev_loop *loop, struct connection *conn)
{
	ev_io_stop(loop, &conn->io);
	close(conn->io.fd);
	conn->next = spare;
	spare = conn;
}

static void watch(struct ev_loop *loop, struct connection *conn, int events)
{
	ev_io_stop(loop, &conn->io);
	ev_io_modify(&conn->io, events);
	ev_io_start(loop, &conn->io);
}

enum progress { DONE, BLOCKED, BROKEN };

/* Sends what it can of bytes; the rest stays in conn->out. */
static enum progress send_out(struct connection *conn, struct http_bytes bytes)
{
	while (bytes.len) {
		ssize_t n = send(conn->io.fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			bytes.data += n;
			bytes.len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return BROKEN;
		conn->out = bytes;
		return BLOCKED;
	}
	conn->out.len = 0;
	return DONE;
}

/* Answers the requests that are complete in the buffer and moves the rest to its front. */
static enum progress answer_all(struct connection *conn)
{
	enum progress progress = DONE;
	size_t at = http_skip(&conn->skip, conn->have);

	while (at < conn->have && progress == DONE && !conn->closing) {
		struct http_request req;
		int rc = http_parse(conn->buf + at, conn->have - at, &req);
		if (rc == 0)
			break;
		if (rc < 0) {
			conn->closing = true;
			progress = send_out(conn, http_refusal(rc));
			break;
		}
		conn->closing = !req.keep_alive;
		progress = send_out(conn, http_answer(&req));
		conn->skip = req.body_len;
		at += req.head_len;
		at += http_skip(&conn->skip, conn->have - at);
	}
	conn->have -= at;
	if (at && conn->have)
		memmove(conn->buf, conn->buf + at, conn->have);
	return progress;
}

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
	struct connection *conn = (struct connection *)io;
	enum progress progress = DONE;

	if (revents & EV_WRITE) {
		progress = send_out(conn, conn->out);
		if (progress == BLOCKED)
			return;
	} else {
		ssize_t n = recv(io->fd, conn->buf + conn->have, sizeof conn->buf - conn->have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			progress = BROKEN;
		else
			conn->have += (size_t)n;
	}
	if (progress == DONE && !conn->closing)
		progress = answer_all(conn);
	if (progress == BROKEN || (progress == DONE && conn->closing))
		connection_end(loop, conn);
	else if (progress == BLOCKED)
		watch(loop, conn, EV_WRITE);
	else if (revents & EV_WRITE)
		watch(loop, conn, EV_READ);
}

/* Out of descriptors or memory: listen again a little later, when connections may have ended. */
static void on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)revents;
	ev_io_start(loop, timer->data);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
	static ev_timer retry;
	static bool complained;

	(void)revents;
	for (int i = 0; i < 64; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct connection *conn = fd < 0 ? NULL : connection_new();
		if (conn) {
			ev_io_init(&conn->io, on_connection, fd, EV_READ);
			ev_io_start(loop, &conn->io);
			continue;
		}
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return;
		if (!complained)
			perror("accept");
		complained = true;
		if (fd >= 0)
			close(fd);
		ev_io_stop(loop, io);
		ev_timer_init(&retry, on_retry, 0.01, 0.);
		retry.data = io;
		ev_timer_start(loop, &retry);
		return;
	}
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int revents)
{
	(void)signal;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	struct http_options opt;
	ev_signal on_term, on_int;
	ev_io on_listener;

	http_setup_options(argc, argv, false, &opt);
	http_setup_limits();
	http_setup_answers(opt.body_size);
	struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!loop) {
		fprintf(stderr, "no epoll loop\n");
		return 1;
	}
	ev_signal_init(&on_term, on_signal, SIGTERM);
	ev_signal_start(loop, &on_term);
	ev_signal_init(&on_int, on_signal, SIGINT);
	ev_signal_start(loop, &on_int);
	int fd = http_setup_listen(&opt);
	/* A connection can vanish between the readiness and the accept. */
	if (fcntl(fd, F_SETFL, O_NONBLOCK)) {
		perror("fcntl");
		return 1;
	}
	ev_io_init(&on_listener, on_accept, fd, EV_READ);
	ev_io_start(loop, &on_listener);
	ev_run(loop, 0);
	return 0;
}
