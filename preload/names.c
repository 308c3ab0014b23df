/* Names of hosts, services, users, groups: answered from files, from a cache, or over the network, all inside libc.
 *
 * Most look-ups end within microseconds, so they are announced and the monitor decides which ones wait. */
#include "preload/hook.h"

HOOK int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                     struct addrinfo **restrict res)
{
    FORWARD(false, REAL(getaddrinfo)(node, service, hints, res));
}
HOOK int getnameinfo(const struct sockaddr *restrict a, socklen_t alen, char *restrict host, socklen_t hostlen,
                     char *restrict serv, socklen_t servlen, int flags)
{
    FORWARD(false, REAL(getnameinfo)(a, alen, host, hostlen, serv, servlen, flags));
}
HOOK struct hostent *gethostbyname(const char *name)
{
    FORWARD(false, REAL(gethostbyname)(name));
}
HOOK struct hostent *gethostbyname2(const char *name, int af)
{
    FORWARD(false, REAL(gethostbyname2)(name, af));
}
HOOK struct hostent *gethostbyaddr(const void *a, socklen_t len, int type)
{
    FORWARD(false, REAL(gethostbyaddr)(a, len, type));
}
HOOK int gethostbyname_r(const char *restrict name, struct hostent *restrict ret, char *restrict buf, size_t len,
                         struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyname_r)(name, ret, buf, len, res, err));
}
HOOK int gethostbyname2_r(const char *restrict name, int af, struct hostent *restrict ret, char *restrict buf, size_t len,
                          struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyname2_r)(name, af, ret, buf, len, res, err));
}
HOOK int gethostbyaddr_r(const void *restrict a, socklen_t alen, int type, struct hostent *restrict ret, char *restrict buf,
                         size_t len, struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyaddr_r)(a, alen, type, ret, buf, len, res, err));
}

/* A host file's next line, or a directory's next answer. */
HOOK struct hostent *gethostent(void)
{
    FORWARD(false, REAL(gethostent)());
}
HOOK int gethostent_r(struct hostent *restrict ret, char *restrict buf, size_t len, struct hostent **restrict res,
                      int *restrict err)
{
    FORWARD(false, REAL(gethostent_r)(ret, buf, len, res, err));
}

/* Users. */
HOOK struct passwd *getpwnam(const char *name)
{
    FORWARD(false, REAL(getpwnam)(name));
}
HOOK int getpwnam_r(const char *name, struct passwd *restrict ret, char *restrict buf, size_t len, struct passwd **restrict res)
{
    FORWARD(false, REAL(getpwnam_r)(name, ret, buf, len, res));
}
HOOK struct passwd *getpwuid(uid_t id)
{
    FORWARD(false, REAL(getpwuid)(id));
}
HOOK int getpwuid_r(uid_t id, struct passwd *restrict ret, char *restrict buf, size_t len, struct passwd **restrict res)
{
    FORWARD(false, REAL(getpwuid_r)(id, ret, buf, len, res));
}
HOOK struct passwd *getpwent(void)
{
    FORWARD(false, REAL(getpwent)());
}
HOOK int getpwent_r(struct passwd *restrict ret, char *restrict buf, size_t len, struct passwd **restrict res)
{
    FORWARD(false, REAL(getpwent_r)(ret, buf, len, res));
}

/* Groups. */
HOOK struct group *getgrnam(const char *name)
{
    FORWARD(false, REAL(getgrnam)(name));
}
HOOK int getgrnam_r(const char *name, struct group *restrict ret, char *restrict buf, size_t len, struct group **restrict res)
{
    FORWARD(false, REAL(getgrnam_r)(name, ret, buf, len, res));
}
HOOK struct group *getgrgid(gid_t id)
{
    FORWARD(false, REAL(getgrgid)(id));
}
HOOK int getgrgid_r(gid_t id, struct group *restrict ret, char *restrict buf, size_t len, struct group **restrict res)
{
    FORWARD(false, REAL(getgrgid_r)(id, ret, buf, len, res));
}
HOOK struct group *getgrent(void)
{
    FORWARD(false, REAL(getgrent)());
}
HOOK int getgrent_r(struct group *restrict ret, char *restrict buf, size_t len, struct group **restrict res)
{
    FORWARD(false, REAL(getgrent_r)(ret, buf, len, res));
}
HOOK int getgrouplist(const char *user, gid_t own, gid_t *groups, int *n)
{
    FORWARD(false, REAL(getgrouplist)(user, own, groups, n));
}
HOOK int innetgr(const char *netgroup, const char *host, const char *user, const char *domain)
{
    FORWARD(false, REAL(innetgr)(netgroup, host, user, domain));
}

/* Shadow passwords. */
HOOK struct spwd *getspnam(const char *name)
{
    FORWARD(false, REAL(getspnam)(name));
}
HOOK int getspnam_r(const char *name, struct spwd *restrict ret, char *restrict buf, size_t len, struct spwd **restrict res)
{
    FORWARD(false, REAL(getspnam_r)(name, ret, buf, len, res));
}
HOOK struct spwd *getspent(void)
{
    FORWARD(false, REAL(getspent)());
}
HOOK int getspent_r(struct spwd *restrict ret, char *restrict buf, size_t len, struct spwd **restrict res)
{
    FORWARD(false, REAL(getspent_r)(ret, buf, len, res));
}

/* Services. */
HOOK struct servent *getservbyname(const char *name, const char *proto)
{
    FORWARD(false, REAL(getservbyname)(name, proto));
}
HOOK int getservbyname_r(const char *name, const char *proto, struct servent *restrict ret, char *restrict buf, size_t len,
                         struct servent **restrict res)
{
    FORWARD(false, REAL(getservbyname_r)(name, proto, ret, buf, len, res));
}
HOOK struct servent *getservbyport(int port, const char *proto)
{
    FORWARD(false, REAL(getservbyport)(port, proto));
}
HOOK int getservbyport_r(int port, const char *proto, struct servent *restrict ret, char *restrict buf, size_t len,
                         struct servent **restrict res)
{
    FORWARD(false, REAL(getservbyport_r)(port, proto, ret, buf, len, res));
}
HOOK struct servent *getservent(void)
{
    FORWARD(false, REAL(getservent)());
}
HOOK int getservent_r(struct servent *restrict ret, char *restrict buf, size_t len, struct servent **restrict res)
{
    FORWARD(false, REAL(getservent_r)(ret, buf, len, res));
}

/* Protocols. */
HOOK struct protoent *getprotobyname(const char *name)
{
    FORWARD(false, REAL(getprotobyname)(name));
}
HOOK int getprotobyname_r(const char *name, struct protoent *restrict ret, char *restrict buf, size_t len,
                          struct protoent **restrict res)
{
    FORWARD(false, REAL(getprotobyname_r)(name, ret, buf, len, res));
}
HOOK struct protoent *getprotobynumber(int number)
{
    FORWARD(false, REAL(getprotobynumber)(number));
}
HOOK int getprotobynumber_r(int number, struct protoent *restrict ret, char *restrict buf, size_t len,
                            struct protoent **restrict res)
{
    FORWARD(false, REAL(getprotobynumber_r)(number, ret, buf, len, res));
}
HOOK struct protoent *getprotoent(void)
{
    FORWARD(false, REAL(getprotoent)());
}
HOOK int getprotoent_r(struct protoent *restrict ret, char *restrict buf, size_t len, struct protoent **restrict res)
{
    FORWARD(false, REAL(getprotoent_r)(ret, buf, len, res));
}

/* Networks. */
HOOK struct netent *getnetbyname(const char *name)
{
    FORWARD(false, REAL(getnetbyname)(name));
}
HOOK int getnetbyname_r(const char *name, struct netent *restrict ret, char *restrict buf, size_t len,
                        struct netent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(getnetbyname_r)(name, ret, buf, len, res, err));
}
HOOK struct netent *getnetbyaddr(uint32_t net, int type)
{
    FORWARD(false, REAL(getnetbyaddr)(net, type));
}
HOOK int getnetbyaddr_r(uint32_t net, int type, struct netent *restrict ret, char *restrict buf, size_t len,
                        struct netent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(getnetbyaddr_r)(net, type, ret, buf, len, res, err));
}
HOOK struct netent *getnetent(void)
{
    FORWARD(false, REAL(getnetent)());
}
HOOK int getnetent_r(struct netent *restrict ret, char *restrict buf, size_t len, struct netent **restrict res,
                     int *restrict err)
{
    FORWARD(false, REAL(getnetent_r)(ret, buf, len, res, err));
}

/* The resolver itself.  Programs that were linked with an older glibc know these by names with underscores. */
HOOK int res_query(const char *name, int class, int type, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_query)(name, class, type, answer, len));
}
HOOK int __res_query(const char *name, int class, int type, unsigned char *answer, int len) ALIAS(res_query);
HOOK int res_search(const char *name, int class, int type, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_search)(name, class, type, answer, len));
}
HOOK int __res_search(const char *name, int class, int type, unsigned char *answer, int len) ALIAS(res_search);
HOOK int res_querydomain(const char *name, const char *domain, int class, int type, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_querydomain)(name, domain, class, type, answer, len));
}
HOOK int __res_querydomain(const char *name, const char *domain, int class, int type, unsigned char *answer,
                           int len) ALIAS(res_querydomain);
HOOK int res_send(const unsigned char *query, int qlen, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_send)(query, qlen, answer, len));
}
HOOK int __res_send(const unsigned char *query, int qlen, unsigned char *answer, int len) ALIAS(res_send);
HOOK int res_nquery(res_state s, const char *name, int class, int type, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_nquery)(s, name, class, type, answer, len));
}
HOOK int __res_nquery(res_state s, const char *name, int class, int type, unsigned char *answer, int len) ALIAS(res_nquery);
HOOK int res_nsearch(res_state s, const char *name, int class, int type, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_nsearch)(s, name, class, type, answer, len));
}
HOOK int __res_nsearch(res_state s, const char *name, int class, int type, unsigned char *answer, int len) ALIAS(res_nsearch);
HOOK int res_nquerydomain(res_state s, const char *name, const char *domain, int class, int type, unsigned char *answer,
                          int len)
{
    FORWARD(false, REAL(res_nquerydomain)(s, name, domain, class, type, answer, len));
}
HOOK int __res_nquerydomain(res_state s, const char *name, const char *domain, int class, int type, unsigned char *answer,
                            int len) ALIAS(res_nquerydomain);
HOOK int res_nsend(res_state s, const unsigned char *query, int qlen, unsigned char *answer, int len)
{
    FORWARD(false, REAL(res_nsend)(s, query, qlen, answer, len));
}
HOOK int __res_nsend(res_state s, const unsigned char *query, int qlen, unsigned char *answer, int len) ALIAS(res_nsend);
