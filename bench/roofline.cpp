#include "roofline.hpp"

#include <cblas.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace bench
{
namespace
{

// The quickest of many, since others use the machine too: at least five, and for 0.3 seconds.
template <typename Function> double quickest(const Function &function)
{
    double best = 0, all = 0;
    for (int i = 0; i < 5 || all < 0.3; i++) {
        auto start = std::chrono::steady_clock::now();
        function();
        std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        best = i == 0 ? seconds.count() : std::min(best, seconds.count());
        all += seconds.count();
    }
    return best;
}

template <typename Function> void on_each(int threads, const Function &function)
{
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++)
        others.emplace_back([&function, i] { function(i); });
    function(0);
    for (auto &other : others)
        other.join();
}

// Of large products, one for each thread at the same time.
double measure_flops(int threads)
{
    constexpr int n = 1024;
    std::vector<std::vector<float>> matrices(static_cast<size_t>(3 * threads), uniform(n * n, -1, 1, 1));
    double seconds = quickest([&] {
        on_each(threads, [&](int i) {
            auto *own = &matrices[static_cast<size_t>(3 * i)];
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, own[0].data(), n, own[1].data(), n, 0,
                        own[2].data(), n);
        });
    });
    return threads * 2.0 * n * n * n / seconds;
}

// Of an array that is read and written in order, again and again: from whichever cache it fits, or from memory.
double measure_moving(double bytes, int threads)
{
    auto part = static_cast<size_t>(bytes / 2 / sizeof(float) / threads);
    std::vector<std::vector<float>> arrays(static_cast<size_t>(threads), std::vector<float>(part, 1.0f));
    // Starting threads is not what is measured.
    int passes = std::max(1, static_cast<int>(1e8 / bytes));
    double seconds = quickest([&] {
        on_each(threads, [&](int i) {
            float *x = arrays[static_cast<size_t>(i)].data();
            for (int pass = 0; pass < passes; pass++) {
                for (size_t k = 0; k < part; k++)
                    x[k] = x[k] * 0.5f + 0.5f;
                asm volatile("" ::: "memory");
            }
        });
    });
    return seconds / passes;
}

// What operations say of themselves, and their rules as the profiler counts them. Operations that run inside a rule are
// that rule's.
struct Count {
    double flops = 0;
    int depth = 0;
};

void begin(const reel_call *, reel_call_phase, int, void *user)
{
    static_cast<Count *>(user)->depth++;
}

void end(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    auto *count = static_cast<Count *>(user);
    if (--count->depth == 0 && call->op->cost)
        count->flops += call->op->cost(call).flops * (phase == REEL_CALL_FORWARD ? 1 : std::min(n_gradients, 2));
}

double step_flops(Workload &w, reel_context *context)
{
    Count count;
    const reel_call_hook hook = {begin, end, &count};
    reel_set_call_hook(context, &hook);
    w.step({});
    reel_set_call_hook(context, nullptr);
    return count.flops;
}

// Params, and what an optimizer keeps of them, are read and written; of a table the rows that the last step moved. What
// flows between operations may stay in a cache.
double step_bytes(const Workload &w)
{
    double bytes = 0;
    auto sets = w.param_sets();
    auto optims = w.optims();
    for (size_t n = 0; n < sets.size(); n++) {
        reel_params *set = sets[n];
        for (int i = 0; i < reel_params_count(set); i++) {
            reel_param *p = reel_params_at(set, i);
            if (reel_param_kind_of(p) == REEL_PARAM_BUFFER)
                continue;
            double part = 1, kept = static_cast<double>(reel_shape_numel(reel_param_shape(p)));
            reel_row_grad rows;
            if (reel_param_sparse(p) && reel_param_row_grad(p, &rows) == REEL_OK && rows.count > 0)
                part = static_cast<double>(rows.count) / static_cast<double>(reel_param_shape(p)->dim[0]);
            for (int k = 0; k < (optims.empty() ? 0 : reel_optim_states(optims[n], p)); k++) {
                reel_optim_state state;
                if (reel_optim_state_at(optims[n], p, k, &state) == REEL_OK)
                    kept += static_cast<double>(reel_shape_numel(&state.shape));
            }
            bytes += 2 * part * kept * sizeof(float);
        }
    }
    for (const Input &input : w.inputs())
        bytes += static_cast<double>(reel_shape_numel(&input.sizes)) / static_cast<double>(input.turns) *
                 static_cast<double>(reel_dtype_size(input.dtype));
    return bytes;
}

} // namespace

int roofline(const Suite &suite, int threads)
{
    struct Row {
        std::string name;
        double flops, bytes, moving, seconds;
    };
    std::vector<Row> rows;
    double peak = 0;
    for (const Case &c : suite.reel) {
        auto w = c.make(threads);
        constexpr int warm_up = 5;
        for (int i = 0; i < warm_up; i++)
            w->step({});
        double flops = c.flops > 0 ? c.flops : step_flops(*w, const_cast<reel_context *>(w->context()));
        double bytes = step_bytes(*w), moving = measure_moving(bytes, threads);
        rows.push_back({c.name, flops, bytes, moving, quickest([&] { w->step({}); })});
        // What the machine can do changes with what others ask of it: the best of the whole time counts. By now reel
        // has told OpenBLAS to use one thread.
        peak = std::max(peak, measure_flops(threads));
    }
    std::printf(
        "| step, %d thread%s | MFLOP | MB | us at full arithmetic | us to move that | us in reel | times the larger |\n"
        "|---|---|---|---|---|---|---|\n",
        threads, threads > 1 ? "s" : "");
    for (const Row &row : rows) {
        double computing = row.flops / peak;
        std::printf("| %s | %.2f | %.2f | %.1f | %.1f | %.1f | %.2f |\n", row.name.c_str(), row.flops / 1e6,
                    row.bytes / 1e6, computing * 1e6, row.moving * 1e6, row.seconds * 1e6,
                    row.seconds / std::max(computing, row.moving));
    }
    std::printf("\n%.1f GFLOP/s in products of 1024 x 1024, %s kernels\n", peak / 1e9, reel_blas_core());
    return 0;
}

} // namespace bench
