// Users, groups, networks, services, protocols and resolver calls, all forms of each, in a thread and against the same in main before there
// was one: what the library announces must answer as it does natively.
#include "show.h"
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <pwd.h>
#include <resolv.h>
#include <shadow.h>
#include <stdlib.h>
#include <sys/socket.h>

#undef res_query
#undef res_search
#undef res_querydomain
#undef res_send
#undef res_nquery
#undef res_nsearch
#undef res_nquerydomain
#undef res_nsend
extern int res_query(const char *, int, int, unsigned char *, int);
extern int res_search(const char *, int, int, unsigned char *, int);
extern int res_querydomain(const char *, const char *, int, int, unsigned char *, int);
extern int res_send(const unsigned char *, int, unsigned char *, int);
extern int res_nquery(res_state, const char *, int, int, unsigned char *, int);
extern int res_nsearch(res_state, const char *, int, int, unsigned char *, int);
extern int res_nquerydomain(res_state, const char *, const char *, int, int, unsigned char *, int);
extern int res_nsend(res_state, const unsigned char *, int, unsigned char *, int);
OLD_NAME(int, old_query, __res_query, (const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_search, __res_search, (const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_querydomain, __res_querydomain, (const char *, const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_send, __res_send, (const unsigned char *, int, unsigned char *, int));
OLD_NAME(int, old_nquery, __res_nquery, (res_state, const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_nsearch, __res_nsearch, (res_state, const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_nquerydomain, __res_nquerydomain, (res_state, const char *, const char *, int, int, unsigned char *, int));
OLD_NAME(int, old_nsend, __res_nsend, (res_state, const unsigned char *, int, unsigned char *, int));

static char buf[8192];

// A database that is read to its end: how many entries.
#define ALL(set, get, end)                                                                         \
    ({                                                                                             \
        int all_ = 0;                                                                              \
        set;                                                                                       \
        while (get)                                                                                \
            all_++;                                                                                \
        end;                                                                                       \
        all_;                                                                                      \
    })

static void users(void)
{
    struct passwd pw, *p;
    struct group gr, *g;
    struct spwd sp, *s;
    SHOW(ALL(setpwent(), getpwent(), endpwent()));
    SHOW(ALL(setpwent(), getpwent_r(&pw, buf, sizeof buf, &p) == 0, endpwent()));
    SHOW(ALL(setgrent(), getgrent(), endgrent()));
    SHOW(ALL(setgrent(), getgrent_r(&gr, buf, sizeof buf, &g) == 0, endgrent()));
    SHOW(ALL(setspent(), getspent(), endspent()));
    SHOW(ALL(setspent(), getspent_r(&sp, buf, sizeof buf, &s) == 0, endspent()));
    SHOW(getpwnam("root")->pw_uid);
    SHOW(getpwuid(0)->pw_gid);
    SHOW(getpwuid(54321) == NULL);
    SHOW(getgrnam("root")->gr_gid);
    SHOW(getgrgid(0)->gr_gid);
    SHOW(getgrnam("no such group") == NULL);
    SHOW(getspnam("root") != NULL);
    SHOW(getspnam_r("no such user", &sp, buf, sizeof buf, &s));
    SHOW(innetgr("no such netgroup", NULL, NULL, NULL));
}

static void networks(void)
{
    struct servent se, *s;
    struct protoent pr, *p;
    struct netent ne, *n;
    int h;
    SHOW(ALL(setservent(1), getservent(), endservent()));
    SHOW(ALL(setservent(1), getservent_r(&se, buf, sizeof buf, &s) == 0, endservent()));
    SHOW(ALL(setprotoent(1), getprotoent(), endprotoent()));
    SHOW(ALL(setprotoent(1), getprotoent_r(&pr, buf, sizeof buf, &p) == 0, endprotoent()));
    SHOW(ALL(setnetent(1), getnetent(), endnetent()));
    SHOW(ALL(setnetent(1), getnetent_r(&ne, buf, sizeof buf, &n, &h) == 0, endnetent()));
    SHOW((s = getservbyname("domain", "udp")) ? ntohs((uint16_t)s->s_port) : -2);
    SHOW((s = getservbyport(htons(53), "udp")) != NULL);
    SHOW(getservbyport_r(htons(53), "udp", &se, buf, sizeof buf, &s));
    SHOW(getservbyname("no such service", NULL) == NULL);
    SHOW((p = getprotobyname("udp")) ? p->p_proto : -2);
    SHOW((p = getprotobynumber(6)) ? p->p_proto : -2);
    SHOW(getprotobynumber_r(6, &pr, buf, sizeof buf, &p));
    SHOW(getprotobynumber_r(6, &pr, buf, 1, &p));
    SHOW((n = getnetbyname("loopback")) ? (long)n->n_net : -2);
    SHOW(getnetbyaddr(127, AF_INET) != NULL);
    SHOW(getnetbyname_r("loopback", &ne, buf, sizeof buf, &n, &h));
    SHOW(getnetbyaddr_r(127, AF_INET, &ne, buf, sizeof buf, &n, &h));
}

static void hosts(void)
{
    struct in_addr local = {htonl(INADDR_LOOPBACK)};
    struct hostent he, *h;
    int e;
    SHOW((h = gethostbyaddr(&local, sizeof local, AF_INET)) && strcmp(h->h_name, "localhost"));
    SHOW(gethostbyaddr_r(&local, sizeof local, AF_INET, &he, buf, sizeof buf, &h, &e));
    SHOW((h = gethostbyname2("127.0.0.1", AF_INET)) && memcmp(h->h_addr, &local, sizeof local));
    SHOW(gethostbyname2_r("127.0.0.1", AF_INET, &he, buf, sizeof buf, &h, &e));
    SHOW(gethostbyname2_r("127.0.0.1", AF_INET, &he, buf, 1, &h, &e));
    SHOW(ALL(sethostent(1), gethostent(), endhostent()) > 0);
    SHOW(ALL(sethostent(1), gethostent_r(&he, buf, sizeof buf, &h, &e) == 0, endhostent()) > 0);
}

// Nobody listens on port 1: a refused question is an answer too, and the same one each time.
static void nobody(res_state s)
{
    memset(s, 0, sizeof *s);
    CHECK_EQ(res_ninit(s), 0);
    s->retrans = s->retry = 1;
    s->nscount = 1;
    s->options |= RES_USEVC * 0;
    s->nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void resolver(void)
{
    unsigned char q[512], a[512];
    struct __res_state s;
    nobody(&s);
    nobody(&_res);
    int n = res_mkquery(ns_o_query, "name.invalid", ns_c_in, ns_t_a, NULL, 0, NULL, q, sizeof q);
    SHOW(n);
    SHOW(res_query("name.invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_search("name.invalid.", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_querydomain("name", "invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_send(q, n, a, sizeof a));
    SHOW(res_nquery(&s, "name.invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_nsearch(&s, "name.invalid.", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_nquerydomain(&s, "name", "invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(res_nsend(&s, q, n, a, sizeof a));
    SHOW(old_query("name.invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_search("name.invalid.", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_querydomain("name", "invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_send(q, n, a, sizeof a));
    SHOW(old_nquery(&s, "name.invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_nsearch(&s, "name.invalid.", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_nquerydomain(&s, "name", "invalid", ns_c_in, ns_t_a, a, sizeof a));
    SHOW(old_nsend(&s, q, n, a, sizeof a));
    res_nclose(&s);
}

static void *run(void *arg)
{
    users();
    networks();
    hosts();
    resolver();
    return arg;
}

int main(void)
{
    finish(start(run, NULL));
    return 0;
}
