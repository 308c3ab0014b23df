#include "runtime/base/list.h"

#include <gtest/gtest.h>

#include <vector>

namespace {

struct Item {
    int id;
    struct list link;
};

std::vector<int> ids(struct list *head)
{
    std::vector<int> forward, backward;
    struct list *it;

    list_for_each (it, head)
        forward.push_back(container_of(it, Item, link)->id);
    for (it = head->prev; it != head; it = it->prev)
        backward.insert(backward.begin(), container_of(it, Item, link)->id);
    EXPECT_EQ(forward, backward);
    return forward;
}

struct List : testing::Test {
    struct list head = LIST_INIT(head);
    Item a{1, {}}, b{2, {}}, c{3, {}};
};

TEST_F(List, TailHeadAndDelete)
{
    EXPECT_TRUE(list_empty(&head));
    list_add_tail(&head, &a.link);
    list_add_tail(&head, &b.link);
    list_add_head(&head, &c.link);
    EXPECT_EQ(ids(&head), (std::vector<int>{3, 1, 2}));
    list_del(&a.link);
    EXPECT_EQ(ids(&head), (std::vector<int>{3, 2}));
    EXPECT_TRUE(list_empty(&a.link)) << "an unlinked node points to itself";
    list_del(&a.link);
    EXPECT_EQ(ids(&head), (std::vector<int>{3, 2})) << "deleting it again changes nothing";
    list_del(&c.link);
    list_del(&b.link);
    EXPECT_TRUE(list_empty(&head));
}

TEST_F(List, SpliceKeepsTheOrderAndEmptiesTheSource)
{
    struct list other = LIST_INIT(other);

    list_splice_tail(&head, &other);
    EXPECT_TRUE(list_empty(&head));
    list_add_tail(&other, &a.link);
    list_add_tail(&other, &b.link);
    list_add_tail(&head, &c.link);
    list_splice_tail(&head, &other);
    EXPECT_EQ(ids(&head), (std::vector<int>{3, 1, 2}));
    EXPECT_TRUE(list_empty(&other));
    list_splice_tail(&other, &head);
    EXPECT_EQ(ids(&other), (std::vector<int>{3, 1, 2}));
    EXPECT_TRUE(list_empty(&head));
}

TEST_F(List, SafeIterationAllowsRemovingTheCurrentNode)
{
    struct list *it, *tmp;
    std::vector<int> seen;

    for (Item *i : {&a, &b, &c})
        list_add_tail(&head, &i->link);
    list_for_each_safe (it, tmp, &head) {
        seen.push_back(container_of(it, Item, link)->id);
        list_del(it);
    }
    EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
    EXPECT_TRUE(list_empty(&head));
}

} // namespace
