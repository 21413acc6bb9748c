#include "checks.hpp"

#include <cmath>
#include <cstdio>

namespace bench
{

static bool near(float a, float b)
{
    return std::fabs(a - b) <= 1e-4f * std::fabs(b) + 1e-6f;
}

int check_losses(const Suite &suite)
{
    int failures = 0;
    for (const Floor &f : suite.floors) {
        if (!f.quick)
            continue;
        const Case *c = nullptr;
        for (const Case &candidate : suite.reel)
            if (candidate.name == f.reel)
                c = &candidate;
        if (!c) {
            std::printf("%-60s there is no reel case %s\n", f.by_hand.name.c_str(), f.reel.c_str());
            failures++;
            continue;
        }
        auto reel = c->make(), by_hand = f.by_hand.make();
        Losses a = {}, b = {}, first = {};
        int step = 0;
        bool same = true;
        for (; step < f.steps && same; step++) {
            a = reel->step({});
            b = by_hand->step({});
            if (step == 0)
                first = a;
            same = near(a[0], b[0]) && near(a[1], b[1]);
        }
        // Losses that stand still would agree whatever the optimizers did.
        bool moved = std::fabs(a[0] - first[0]) > 1e-3f * std::fabs(first[0]);
        std::printf("%-60s %s: %g and %g in reel, %g and %g by hand at step %d\n", f.by_hand.name.c_str(),
                    !same    ? "DIFFERS"
                    : !moved ? "STANDS STILL"
                             : "agrees",
                    static_cast<double>(a[0]), static_cast<double>(a[1]), static_cast<double>(b[0]),
                    static_cast<double>(b[1]), step);
        failures += !same || !moved;
    }
    return failures > 0;
}

} // namespace bench
