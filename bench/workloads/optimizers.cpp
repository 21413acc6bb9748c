// Steps of the optimizers on dense gradients: one large param, and as many small ones as a small network has.
#include "workload.hpp"

#include <benchmark/benchmark.h>

#include <chrono>

namespace bench
{
namespace
{

using New = reel_optim *(*)(reel_params *);

void run(benchmark::State &state, New make, int count, int64_t elements, int threads)
{
    Session session(threads);
    reel_params *params = reel_params_new(session.context);
    auto gradient = uniform(elements, -1, 1, 21);
    for (int i = 0; i < count; i++) {
        reel_param *p =
            reel_param_new(params, std::to_string(i).c_str(), REEL_PARAM_TRAINED, REEL_REAL, shape({elements}));
        reel_param_set_grad(p, gradient.data());
    }
    reel_optim *optim = make(params);
    reel_optim_step(optim);
    session.expect_ok();
    auto start = std::chrono::steady_clock::now();
    for (auto _ : state)
        reel_optim_step(optim);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    session.expect_ok();
    state.counters["elements/s"] =
        static_cast<double>(state.iterations()) * static_cast<double>(count * elements) / seconds.count();
    reel_optim_free(optim);
    reel_params_free(params);
}

// Exact updates of rows that missed steps: what one row and one step cost when they are made up for.
void run_replay(benchmark::State &state)
{
    constexpr int64_t rows = 64, columns = 64, steps = 1000;
    Session session(1);
    reel_params *params = reel_params_new(session.context);
    reel_param *table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, shape({rows, columns}));
    reel_param_set_sparse(table, true);
    reel_init_normal(table, 0, 1);
    reel_adam_options options = reel_adam_defaults();
    options.sparse_update = REEL_EXACT;
    reel_optim *optim = reel_adam_new(params, &options);
    auto step = [&](int64_t touched) {
        reel_tape *t = session.tape;
        reel_var index = reel_arange_int64(t, 0, touched, 1);
        reel_var loss = reel_sum_all(t, reel_embedding(t, reel_param_var(t, table), index, nullptr));
        reel_zero_grad(params);
        reel_backward(t, loss, params);
        reel_optim_step(optim);
        session.reset();
    };
    step(rows);
    for (auto _ : state) {
        for (int i = 0; i < steps; i++)
            step(1);
        auto start = std::chrono::steady_clock::now();
        reel_param_data(table);
        std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        state.SetIterationTime(seconds.count() / static_cast<double>((rows - 1) * steps));
    }
    reel_optim_free(optim);
    reel_params_free(params);
}

} // namespace

void register_optimizers()
{
    benchmark::RegisterBenchmark("optim/adam_exact/row_and_step/columns:64", run_replay)
        ->UseManualTime()
        ->Iterations(20) // few enough that no row comes to rest
        ->Unit(benchmark::kNanosecond);
    const std::pair<const char *, New> optims[] = {
        {"sgd", [](reel_params *p) { return reel_sgd_new(p, nullptr); }},
        {"sgd_momentum",
         [](reel_params *p) {
             reel_sgd_options o = reel_sgd_defaults();
             o.momentum = 0.9;
             return reel_sgd_new(p, &o);
         }},
        {"adam", [](reel_params *p) { return reel_adam_new(p, nullptr); }},
        {"adamw", [](reel_params *p) { return reel_adamw_new(p, nullptr); }},
        {"rmsprop", [](reel_params *p) { return reel_rmsprop_new(p, nullptr); }},
        {"adagrad", [](reel_params *p) { return reel_adagrad_new(p, nullptr); }},
    };
    const std::pair<int, int64_t> sizes[] = {{1, 1048576}, {16, 1024}};
    for (auto &optim : optims)
        for (auto &size : sizes)
            for (int threads : {1, 2}) {
                New make = optim.second;
                int count = size.first;
                int64_t elements = size.second;
                std::string name = std::string("optim/") + optim.first + "/params:" + std::to_string(count) +
                                   "/elements:" + std::to_string(elements) + "/threads:" + std::to_string(threads);
                benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
                    run(state, make, count, elements, threads);
                })->Unit(benchmark::kMicrosecond);
            }
}

} // namespace bench
