#include "checks.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace bench
{

// 1.1e-4 was the most that was seen, in cgan, whose batch norms divide by small numbers.
constexpr double largest_distance = 1e-3;

static bool near(float a, float b)
{
    return std::fabs(a - b) <= 1e-4f * std::fabs(b) + 1e-6f;
}

static const Case *find(const Suite &suite, const std::string &name)
{
    for (const Case &c : suite.reel)
        if (c.name == name)
            return &c;
    return nullptr;
}

namespace
{

// How the gradients of one param compare.
struct Gap {
    std::string name;
    float largest, difference; // the largest gradient by its size, and difference
};

} // namespace

// One for each param of a network; the difference is infinite where reel has no gradient.
static std::vector<Gap> gaps_of(const Network &network, const reel_params *set)
{
    std::vector<Gap> gaps;
    const float *b = network.grads;
    for (int i = 0; i < reel_params_count(set); i++) {
        reel_param *p = reel_params_at(set, i);
        if (reel_param_kind_of(p) == REEL_PARAM_BUFFER)
            continue;
        Gap gap = {reel_param_name(p), 0, 0};
        const float *grad = reel_param_grad(p);
        if (!grad)
            gap.difference = INFINITY;
        for (float a : grad ? elements_by_hand(network, set, i, grad) : std::vector<float>()) {
            gap.largest = std::fmax(gap.largest, std::fabs(a));
            float difference = std::fabs(a - *b++);
            if (!(difference <= gap.difference)) // also when it is not a number
                gap.difference = difference;
        }
        gaps.push_back(gap);
    }
    return gaps;
}

// The first param whose gradients differ by more than roundings do; empty: none. Where both sum the same terms, 4e-6 of
// a param's largest gradient was seen. That of a bias before a batch norm is 0 but for roundings, which are those of
// the whole network.
static std::string different_gradient(const Workload &reel, const Workload &by_hand)
{
    auto sets = reel.param_sets();
    auto networks = by_hand.networks();
    for (size_t n = 0; n < networks.size(); n++) {
        auto gaps = gaps_of(networks[n], sets[n]);
        float largest = 0;
        for (const Gap &gap : gaps)
            largest = std::fmax(largest, gap.largest);
        for (const Gap &gap : gaps)
            if (!(gap.difference <= 1e-4f * gap.largest + 1e-6f * largest)) {
                char text[64];
                std::snprintf(text, sizeof text, " by %g, the largest is %g", static_cast<double>(gap.difference),
                              static_cast<double>(gap.largest));
                return gap.name + text;
            }
    }
    return "";
}

// The params of reel's sets, as the networks by hand have them.
static std::vector<std::vector<float>> params_of(const Workload &reel, const std::vector<Network> &networks)
{
    std::vector<std::vector<float>> all(networks.size());
    auto sets = reel.param_sets();
    for (size_t n = 0; n < networks.size(); n++)
        for (int i = 0; i < reel_params_count(sets[n]); i++) {
            const reel_param *p = reel_params_at(sets[n], i);
            if (reel_param_kind_of(p) == REEL_PARAM_BUFFER)
                continue;
            auto elements = elements_by_hand(networks[n], sets[n], i, reel_param_data(p));
            all[n].insert(all[n].end(), elements.begin(), elements.end());
        }
    return all;
}

// How far the step by hand led from reel's, as a part of the way from `before`. An optimizer that divides a gradient by
// its size makes a whole step of a gradient that is nothing but roundings, so single elements may go anywhere.
static double distance(const std::vector<std::vector<float>> &before, const std::vector<std::vector<float>> &after,
                       const std::vector<Network> &networks)
{
    double apart = 0, way = 0;
    for (size_t n = 0; n < networks.size(); n++)
        for (size_t i = 0; i < after[n].size(); i++) {
            double reached = static_cast<double>(after[n][i]);
            double difference = static_cast<double>(networks[n].params[i]) - reached;
            double moved = reached - static_cast<double>(before[n][i]);
            apart += difference * difference;
            way += moved * moved;
        }
    return std::sqrt(apart / way);
}

// Whether they agree. Each step begins with the same params, so that roundings, which grow with every step of a
// network, are those of one; where there are no params to compare, losses tell what a step did.
static bool compare(const Case &c, const Floor &f, int threads)
{
    auto reel = c.make(threads), by_hand = f.by_hand.make(threads);
    auto networks = by_hand->networks();
    std::string name = f.by_hand.name_with(threads);
    Losses a = {}, b = {}, first = {};
    double farthest = 0;
    int step = 0;
    bool same = true;
    for (; step < f.steps && same; step++) {
        auto before = params_of(*reel, networks);
        a = reel->step({});
        b = by_hand->step({});
        same = near(a[0], b[0]) && near(a[1], b[1]);
        if (step == 0)
            first = a;
        if (networks.empty())
            continue;
        std::string where = different_gradient(*reel, *by_hand);
        if (!where.empty()) {
            std::printf("%-60s DIFFERS at step %d in the gradient of %s\n", name.c_str(), step + 1, where.c_str());
            return false;
        }
        double d = distance(before, params_of(*reel, networks), networks);
        farthest = !(d <= farthest) ? d : farthest;
        same = same && d <= largest_distance;
        copy_params(*reel, *by_hand);
    }
    // Losses that stand still would agree whatever the optimizers did; of one step the way of the params says it.
    bool moved = f.steps == 1 || std::fabs(a[0] - first[0]) > 1e-3f * std::fabs(first[0]);
    std::printf("%-60s %s: %g and %g in reel, %g and %g by hand at step %d", name.c_str(),
                !same    ? "DIFFERS"
                : !moved ? "STANDS STILL"
                         : "agrees",
                static_cast<double>(a[0]), static_cast<double>(a[1]), static_cast<double>(b[0]),
                static_cast<double>(b[1]), step);
    if (networks.empty())
        std::printf("\n");
    else
        std::printf("; gradients agree, steps by %.2g of their length\n", farthest);
    return same && moved;
}

int check_floors(const Suite &suite)
{
    int failures = 0;
    for (const Floor &f : suite.floors) {
        const Case *c = find(suite, f.reel);
        if (!c)
            std::printf("%-60s there is no reel case %s\n", f.by_hand.name.c_str(), f.reel.c_str());
        failures += !c;
        for (int threads = 1; c && f.by_hand.quick && threads <= f.most_threads; threads++)
            failures += !compare(*c, f, threads);
    }
    return failures > 0;
}

namespace
{

// What a run leaves.
struct Trace {
    std::vector<Losses> losses;
    std::vector<std::string> names; // of params, buffers and gradients
    std::vector<std::vector<char>> elements;

    void keep(const std::string &name, const reel_param *p, const void *data)
    {
        auto bytes = static_cast<const char *>(data);
        int64_t numel = reel_shape_numel(reel_param_shape(p));
        names.push_back(name);
        elements.emplace_back(bytes, bytes + static_cast<size_t>(numel) * reel_dtype_size(reel_param_dtype(p)));
    }
};

} // namespace

static Trace trace(const Case &c, int threads, int steps)
{
    Trace t;
    auto workload = c.make(threads);
    for (int i = 0; i < steps; i++)
        t.losses.push_back(workload->step({}));
    for (const reel_params *params : workload->param_sets())
        for (int i = 0; i < reel_params_count(params); i++) {
            reel_param *p = reel_params_at(params, i);
            t.keep(reel_param_name(p), p, reel_param_data(p));
            if (const reel_real *grad = reel_param_grad(p))
                t.keep(std::string("the gradient of ") + reel_param_name(p), p, grad);
        }
    return t;
}

// Where two runs differ first; empty: nowhere.
static std::string difference(const Trace &a, const Trace &b)
{
    for (size_t i = 0; i < a.losses.size(); i++)
        if (!std::isfinite(a.losses[i][0]) || !std::isfinite(a.losses[i][1]) ||
            std::memcmp(&a.losses[i], &b.losses[i], sizeof a.losses[i]) != 0)
            return "the loss of step " + std::to_string(i);
    for (size_t i = 0; i < a.elements.size(); i++)
        if (a.elements[i] != b.elements[i])
            return a.names[i] + " after the last step";
    return "";
}

int check_same_bits(const Suite &suite, int steps)
{
    constexpr int most_threads = 4;
    if (steps < 1) {
        std::fprintf(stderr, "reel_bench: --same-bits takes a number of steps\n");
        return 2;
    }
    int failures = 0;
    for (const Case &c : suite.reel) {
        if (!c.quick)
            continue;
        Trace one = trace(c, 1, steps);
        std::string where;
        int threads = 1;
        while (where.empty() && threads < most_threads)
            where = difference(one, trace(c, ++threads, steps));
        if (where.empty())
            std::printf("%-60s %d steps: the same bits with 1 to %d threads\n", c.name.c_str(), steps, most_threads);
        else
            std::printf("%-60s DIFFERS with %d threads in %s\n", c.name.c_str(), threads, where.c_str());
        std::fflush(stdout);
        failures += !where.empty();
    }
    return failures > 0;
}

} // namespace bench
