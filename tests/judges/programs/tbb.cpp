// TBB: parallel_for, reduce, sort, pipeline, task_group, concurrent containers, arenas.
#include <atomic>
#include <cstdio>
#include <numeric>
#include <tbb/tbb.h>
#include <vector>

int main()
{
    tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
    std::vector<unsigned> v(300000);
    unsigned long total = 0;
    for (int round = 0; round < 20; round++) {
        tbb::parallel_for(tbb::blocked_range<size_t>(0, v.size()), [&](auto &r) {
            for (size_t i = r.begin(); i != r.end(); i++)
                v[i] = (unsigned)i * 2654435761u + round;
        });
        tbb::parallel_sort(v.begin(), v.end());
        total += tbb::parallel_reduce(tbb::blocked_range<size_t>(0, v.size()), 0ul,
            [&](auto &r, unsigned long s) { return std::accumulate(v.begin() + r.begin(), v.begin() + r.end(), s); }, std::plus<>());
    }
    tbb::concurrent_hash_map<int, int> map;
    tbb::concurrent_bounded_queue<int> queue;
    queue.set_capacity(10);
    std::atomic<long> got{0};
    tbb::task_arena arena(6);
    arena.execute([&] {
        tbb::task_group g;
        for (int t = 0; t < 50; t++)
            g.run([&, t] {
                for (int i = 0; i < 200; i++) {
                    tbb::concurrent_hash_map<int, int>::accessor a;
                    map.insert(a, i);
                    a->second += t;
                }
            });
        g.wait();
    });
    std::thread producer([&] { for (int i = 0; i < 20000; i++) queue.push(i); queue.push(-1); });
    for (int x; queue.pop(x), x >= 0;)
        got += x;
    producer.join();
    long sum = 0, piped = 0;
    for (auto &e : map)
        sum += e.second;
    int n = 0;
    tbb::parallel_pipeline(8,
        tbb::make_filter<void, int>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control &f) { if (n == 5000) f.stop(); return n++; }) &
        tbb::make_filter<int, long>(tbb::filter_mode::parallel, [](int x) { return (long)x * x; }) &
        tbb::make_filter<long, void>(tbb::filter_mode::serial_in_order, [&](long x) { piped = piped * 3 + x; }));
    std::printf("%lu %ld %ld %ld\n", total, sum, got.load(), piped);
}
