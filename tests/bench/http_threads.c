/*
 * The classic server: one thread per connection, blocking calls, nothing else. It knows nothing of virtual threads; it is
 * the program that they have to speed up without its knowledge.
 */
#include "http_common.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;
static volatile sig_atomic_t stopping;

static bool write_all(int fd, struct http_bytes bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes.data += n;
			bytes.len -= (size_t)n;
		}
	}
	return true;
}

/* The bytes that were read, 0 at the end of the input or on an error. */
static size_t read_some(int fd, char *buf, size_t room)
{
	ssize_t n;

	do
		n = read(fd, buf, room);
	while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

static void serve(int fd)
{
	char buf[HTTP_HEAD_MAX];
	size_t have = 0;       /* unconsumed bytes at the start of buf */
	uint64_t skip = 0;     /* bytes of a request body still to be dropped */
	size_t n;

	while ((n = read_some(fd, buf + have, sizeof buf - have)) > 0) {
		have += n;
		size_t at = http_skip(&skip, have);

		while (at < have) {
			struct http_request req;
			int rc = http_parse(buf + at, have - at, &req);
			if (rc == 0)
				break;
			if (!write_all(fd, rc > 0 ? http_answer(&req) : http_refusal(rc)) || rc < 0 || !req.keep_alive)
				return;
			skip = req.body_len;
			at += req.head_len;
			at += http_skip(&skip, have - at);
		}
		have -= at;
		if (at && have)
			memmove(buf, buf + at, have);
	}
}

static void *connection(void *arg)
{
	int fd = (int)(intptr_t)arg;

	serve(fd);
	close(fd);
	return NULL;
}

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
	/* Ends the accept of whichever thread waits in it, also when the signal arrives just before that call. */
	shutdown(listener, SHUT_RDWR);
}

static void accept_loop(const pthread_attr_t *attr)
{
	bool complained = false;

	while (!stopping) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);
		int error = fd < 0 ? errno : pthread_create(&thread, attr, connection, (void *)(intptr_t)fd);

		if (error == 0 || error == EINTR || error == ECONNABORTED || stopping)
			continue;
		if (!complained)
			fprintf(stderr, "%s: %s\n", fd < 0 ? "accept" : "pthread_create", strerror(error));
		complained = true;
		if (fd >= 0)
			close(fd);
		/* Out of descriptors, memory or threads: that passes when connections end. */
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = stop};
	struct http_options opt;
	pthread_attr_t attr;

	http_setup_options(argc, argv, true, &opt);
	http_setup_limits();
	http_setup_answers(opt.body_size);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (opt.stack_size && pthread_attr_setstacksize(&attr, opt.stack_size)) {
		fprintf(stderr, "the stack size %zu is not possible\n", opt.stack_size);
		return 2;
	}
	listener = http_setup_listen(&opt);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	accept_loop(&attr);
	return 0;
}
