// The mouse and the cat move at once: two sprites, each a task that plans its own steps, and a stage that draws them. They tell each other
// where they are by messages; nobody shares a variable. With an argument it is drawn in the terminal, step by step.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <vthr.hpp>

using namespace std::chrono_literals;

constexpr int width = 40;

struct move {
    char who;
    int x;
};

// Runs away, to the wall and back.
static void mouse(vthr::channel<move> &stage, vthr::channel<int> &seen)
{
    int x = width / 2, step = 1;

    while (stage.send({'m', x}) && seen.send(x)) {
        if (x + step < 0 || x + step >= width)
            step = -step;
        x += step;
    }
}

// Goes two steps to where it saw the mouse last.
static void cat(vthr::channel<move> &stage, vthr::channel<int> &seen)
{
    int x = 0;

    for (int prey : seen) {
        x += std::clamp(prey - x, -2, 2);
        if (!stage.send({'C', x}) || x == prey)
            break;
    }
    seen.close();
    stage.close();
}

int main(int argc, char **)
{
    vthr::channel<move> stage;
    vthr::channel<int> seen;
    int moves[2] = {0, 0}, at[2] = {-1, -1};
    vthr::scope s;

    s.timeout(60s);
    s.spawn([&] { mouse(stage, seen); });
    s.spawn([&] { cat(stage, seen); });
    for (auto [who, x] : stage) {
        moves[who == 'C']++;
        at[who == 'C'] = x;
        if (argc > 1) {
            std::string line(width, '.');
            for (int i : {0, 1})
                if (at[i] >= 0)
                    line[static_cast<std::size_t>(at[i])] = "mC"[i];
            std::printf("\r%s", line.c_str());
            std::fflush(stdout);
            usleep(50000);
        }
    }
    s.leave();
    std::printf("%scaught: %s, both moved: %s\n", argc > 1 ? "\n" : "", std::abs(at[0] - at[1]) <= 1 ? "yes" : "no",
                moves[0] > 3 && moves[1] > 3 ? "yes" : "no");
    return 0;
}
