/* Intrusive circular doubly linked list.  An unlinked node points to itself after list_del. */
#pragma once
#include "runtime/base/compiler.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(l) { &(l), &(l) }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_add_between(struct list *n, struct list *a, struct list *b)
{
    n->prev = a;
    n->next = b;
    a->next = n;
    b->prev = n;
}
static inline void list_add_tail(struct list *head, struct list *n)
{
    list_add_between(n, head->prev, head);
}
static inline void list_add_head(struct list *head, struct list *n)
{
    list_add_between(n, head, head->next);
}
static inline void list_del(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}
/* Moves every node of `from` to the tail of `to`. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}
#define list_for_each_safe(it, tmp, head) \
    for ((it) = (head)->next; (tmp) = (it)->next, (it) != (head); (it) = (tmp))
#define list_for_each(it, head) for ((it) = (head)->next; (it) != (head); (it) = (it)->next)
