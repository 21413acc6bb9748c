// Benchmarks of reel and of the same steps by hand. README.md has the names. Instead, --check compares the two,
// --same-bits [STEPS] compares numbers of threads, --run CASE STEPS takes steps of reel and does nothing else, for
// tools that count, --save CASE FOLDER writes what other programs need to take the same steps, and --roofline [THREADS]
// compares them with what the machine could do.
#include "checks.hpp"
#include "roofline.hpp"
#include "save.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bench;

namespace
{

// The workload that was measured last. A benchmark's function is called several times, to find out how many steps fill
// its time, and a table of 10^7 rows is not made in no time.
std::unique_ptr<Workload> current;
const Case *current_case;
int current_threads;

Workload &prepared(const Case &c, int threads)
{
    constexpr int warm_up = 5; // reel allocates up to the third
    if (current_case != &c || current_threads != threads) {
        current.reset();
        current = c.make(threads);
        current_case = &c;
        current_threads = threads;
        for (int i = 0; i < warm_up; i++)
            current->step({});
    }
    return *current;
}

// Rates come from the clock on the wall. Google Benchmark would take processor time unless each name ended in
// "/real_time".
void count(benchmark::State &state, const Case &c, double seconds, const reel_context *context, uint64_t allocations)
{
    double steps = static_cast<double>(state.iterations());
    if (c.flops > 0)
        state.counters["FLOP/s"] = c.flops * steps / seconds;
    if (c.bytes > 0)
        state.counters["bytes/s"] = c.bytes * steps / seconds;
    if (c.operations > 0)
        state.counters["per_op"] = seconds / steps / c.operations;
    if (context) {
        reel_memory_statistics memory = reel_memory(context);
        state.counters["allocations"] = static_cast<double>(memory.allocations - allocations) / steps;
        state.counters["peak_bytes"] = static_cast<double>(memory.peak_bytes);
    }
}

void run_steps(benchmark::State &state, const Case &c, int threads)
{
    Workload &w = prepared(c, threads);
    uint64_t allocations = w.context() ? reel_memory(w.context()).allocations : 0;
    auto start = std::chrono::steady_clock::now();
    for (auto _ : state)
        w.step({});
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    count(state, c, seconds.count(), w.context(), allocations);
}

void run_phase(benchmark::State &state, const Case &c, int threads, Phase wanted)
{
    Workload &w = prepared(c, threads);
    bool running = true;
    auto enter = [&](Phase phase) {
        if ((phase == wanted) == running)
            return;
        if (running)
            state.PauseTiming();
        else
            state.ResumeTiming();
        running = !running;
    };
    for (auto _ : state) {
        enter(Phase::other);
        w.step(enter);
        enter(wanted);
    }
}

void add(const std::string &name, const std::function<void(benchmark::State &)> &run)
{
    benchmark::RegisterBenchmark(name.c_str(), run)->Unit(benchmark::kMicrosecond);
}

// The cases must stay where they are.
void register_suite(const Suite &suite)
{
    constexpr int most_threads = 2;
    for (const Case &c : suite.reel)
        for (int n = 1; n <= most_threads; n++) {
            std::string name = c.name_with(n);
            add("step/" + name, [&c, n](benchmark::State &state) { run_steps(state, c, n); });
            add("forward/" + name, [&c, n](benchmark::State &state) { run_phase(state, c, n, Phase::forward); });
            add("backward/" + name, [&c, n](benchmark::State &state) { run_phase(state, c, n, Phase::backward); });
        }
    for (const Floor &f : suite.floors)
        for (int n = 1; n <= f.most_threads; n++)
            add("floor/" + f.by_hand.name_with(n),
                [&c = f.by_hand, n](benchmark::State &state) { run_steps(state, c, n); });
}

int run(const Suite &suite, const std::string &name, long steps)
{
    auto workload = make_reel(suite, name);
    if (!workload || steps < 1) {
        std::fprintf(stderr, "reel_bench: --run takes a case such as notebook/threads:1, and a number of steps\n");
        return 2;
    }
    for (long i = 0; i < steps; i++)
        workload->step({});
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
        std::printf("reel_bench (reel) %d.%d.%d\n", REEL_VERSION_MAJOR, REEL_VERSION_MINOR, REEL_VERSION_PATCH);
        return 0;
    }
    static Suite suite;
    add_gans(suite);
    add_deep_gans(suite);
    add_mlps(suite);
    add_embedding(suite);
    add_chain(suite);
    if (argc > 1 && std::strcmp(argv[1], "--check") == 0)
        return check_floors(suite);
    if (argc > 1 && argc < 4 && std::strcmp(argv[1], "--same-bits") == 0)
        return check_same_bits(suite, argc == 3 ? std::atoi(argv[2]) : 200);
    if (argc == 4 && std::strcmp(argv[1], "--run") == 0)
        return run(suite, argv[2], std::strtol(argv[3], nullptr, 10));
    if (argc == 4 && std::strcmp(argv[1], "--save") == 0)
        return save(suite, argv[2], argv[3]);
    if (argc > 1 && argc < 4 && std::strcmp(argv[1], "--roofline") == 0)
        return roofline(suite, argc == 3 ? std::max(1, std::atoi(argv[2])) : 1);
    register_suite(suite);
    register_operations();
    register_optimizers();
    register_generators();
    register_loader();
    register_growth();
    register_long_kernels();
    benchmark::AddCustomContext("kernels of OpenBLAS", reel_blas_core());
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    current.reset();
    benchmark::Shutdown();
    return 0;
}
