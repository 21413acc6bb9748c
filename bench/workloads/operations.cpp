// Each operation: with the samples beside its row in the registry, and some at sizes that occur in training.
#include "workload.hpp"

#include "ops/samples.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

namespace bench
{
namespace
{

// Applications between two resets, which are not timed: as many as fill this much memory, within limits.
constexpr double memory = 1 << 22;
constexpr int most = 256;

using Apply = std::function<reel_var(reel_tape *, const std::vector<reel_var> &)>;
using Clock = std::chrono::steady_clock;

struct Input {
    reel_dtype dtype;
    reel_shape shape;
    std::vector<float> reals;
    std::vector<int64_t> indices;
};

Input reals(std::initializer_list<int64_t> sizes, float low = -2, float high = 2)
{
    reel_shape s = shape(sizes);
    return {REEL_REAL, s, uniform(reel_shape_numel(&s), low, high, 11), {}};
}

Input indices(int64_t n, int64_t below)
{
    return {REEL_INT64, shape({n}), {}, integers(n, below, 12)};
}

std::vector<reel_var> bind(reel_tape *tape, const std::vector<Input> &inputs)
{
    std::vector<reel_var> vars;
    for (const Input &i : inputs)
        vars.push_back(i.dtype == REEL_REAL ? reel_borrow(tape, i.reals.data(), i.shape)
                                            : reel_borrow_of(tape, i.dtype, i.indices.data(), i.shape));
    return vars;
}

// Applies and resets, the latter untimed. `bind_inputs` puts the inputs onto the empty tape, `apply` is what is timed.
// Gives the seconds spent in apply's loop, by the clock on the wall.
double run(benchmark::State &state, const Session &session, const std::function<void()> &bind_inputs,
           const std::function<void()> &apply, int batch)
{
    int left = 0;
    double seconds = 0;
    auto start = Clock::now();
    for (auto _ : state) {
        if (left == 0) {
            state.PauseTiming();
            seconds += std::chrono::duration<double>(Clock::now() - start).count();
            session.reset();
            bind_inputs();
            left = batch;
            start = Clock::now();
            state.ResumeTiming();
        }
        apply();
        left--;
    }
    seconds += std::chrono::duration<double>(Clock::now() - start).count();
    session.reset();
    return seconds;
}

int batch_for(double bytes)
{
    return static_cast<int>(std::clamp(memory / (bytes + 1), 1.0, static_cast<double>(most)));
}

// What the row says the operation costs.
reel_cost cost_of(const reel_op *op, reel_tape *tape, const std::vector<reel_var> &inputs,
                  const std::vector<reel_var> &outputs, const void *attributes)
{
    if (!op->cost)
        return {0, 0};
    std::vector<reel_array> arrays;
    for (auto *vars : {&inputs, &outputs})
        for (reel_var v : *vars)
            arrays.push_back({const_cast<void *>(reel_data(tape, v)), reel_dtype_of(tape, v), reel_numel(tape, v),
                              reel_shape_of(tape, v)});
    std::vector<const reel_array *> in;
    std::vector<reel_array *> out;
    for (size_t i = 0; i < arrays.size(); i++)
        if (i < inputs.size())
            in.push_back(&arrays[i]);
        else
            out.push_back(&arrays[i]);
    reel_call call = {};
    call.tape = tape;
    call.context = reel_tape_context(tape);
    call.op = op;
    call.n_inputs = static_cast<int>(in.size());
    call.n_outputs = static_cast<int>(out.size());
    call.in = in.data();
    call.out = out.data();
    call.attributes = attributes;
    return op->cost(&call);
}

void run_sample(benchmark::State &state, const reel_op *op, const reel_sample *sample)
{
    Session session(1);
    reel_tape *t = session.tape;
    std::vector<reel_var> inputs(static_cast<size_t>(sample->n_inputs));
    std::vector<reel_var> outputs(static_cast<size_t>(op->n_outputs));
    auto bind_inputs = [&] { reel_sample_inputs(t, sample, 0, inputs.data()); };
    auto apply = [&] { reel_apply(t, op, inputs.data(), sample->n_inputs, sample->attributes, outputs.data()); };
    bind_inputs();
    apply();
    session.expect_ok();
    reel_cost cost = cost_of(op, t, inputs, outputs, sample->attributes);
    double seconds = run(state, session, bind_inputs, apply, most);
    double rate = static_cast<double>(state.iterations()) / seconds;
    if (op->cost) {
        state.counters["FLOP/s"] = cost.flops * rate;
        state.counters["bytes/s"] = cost.bytes * rate;
    }
    state.SetLabel(sample->what);
}

double bytes_of(reel_tape *tape, const std::vector<reel_var> &vars)
{
    double sum = 0;
    for (reel_var v : vars)
        sum += static_cast<double>(reel_numel(tape, v)) * static_cast<double>(reel_dtype_size(reel_dtype_of(tape, v)));
    return sum;
}

// An operation at a real size. FLOPs are those of products; bytes those of inputs and outputs.
struct Sized {
    std::string name;
    std::vector<Input> inputs;
    Apply apply;
    double flops;
};

void run_forward(benchmark::State &state, const Sized &sized, int threads)
{
    Session session(threads);
    reel_tape *t = session.tape;
    std::vector<reel_var> inputs = bind(t, sized.inputs);
    reel_var out = sized.apply(t, inputs);
    session.expect_ok();
    double bytes = bytes_of(t, inputs) + bytes_of(t, {out});
    double seconds = run(
        state, session, [&] { inputs = bind(t, sized.inputs); }, [&] { sized.apply(t, inputs); },
        batch_for(bytes_of(t, {out})));
    double rate = static_cast<double>(state.iterations()) / seconds;
    state.counters["bytes/s"] = bytes * rate;
    if (sized.flops > 0)
        state.counters["FLOP/s"] = sized.flops * rate;
}

// The gradients with respect to every real input, from a gradient of ones.
void run_backward(benchmark::State &state, const Sized &sized, int threads)
{
    Session session(threads);
    reel_tape *t = session.tape;
    std::vector<reel_var> wanted;
    reel_var out, ones;
    auto bind_inputs = [&] {
        std::vector<reel_var> inputs = bind(t, sized.inputs);
        wanted.clear();
        for (size_t i = 0; i < inputs.size(); i++)
            if (sized.inputs[i].dtype == REEL_REAL)
                wanted.push_back(inputs[i]);
        out = sized.apply(t, inputs);
        ones = reel_ones_like(t, out);
    };
    std::vector<reel_var> grads(sized.inputs.size());
    bind_inputs();
    double bytes = bytes_of(t, wanted);
    double seconds = run(
        state, session, bind_inputs,
        [&] {
            reel_vjp(t, out, ones, wanted.data(), static_cast<int>(wanted.size()), REEL_GRAD_ALLOW_UNUSED,
                     grads.data());
        },
        batch_for(bytes));
    if (sized.flops > 0)
        state.counters["FLOP/s"] = 2 * sized.flops * static_cast<double>(state.iterations()) / seconds;
}

void add_elementwise(std::vector<Sized> &out)
{
    using Unary = reel_var (*)(reel_tape *, reel_var);
    using Binary = reel_var (*)(reel_tape *, reel_var, reel_var);
    const std::pair<const char *, Unary> unary[] = {
        {"exp", reel_exp},       {"tanh", reel_tanh},       {"erf", reel_erf},   {"sin", reel_sin},
        {"square", reel_square}, {"sigmoid", reel_sigmoid}, {"relu", reel_relu}, {"logsigmoid", reel_logsigmoid},
        {"sum", reel_sum_all},   {"mean", reel_mean_all},   {"silu", reel_silu}};
    const std::pair<const char *, Binary> binary[] = {{"add", reel_add},
                                                      {"mul", reel_mul},
                                                      {"maximum", reel_maximum},
                                                      {"mse_loss", reel_mse_loss},
                                                      {"bce_with_logits_loss", reel_bce_with_logits_loss}};
    for (int64_t n : {1024, 65536, 1048576}) {
        std::string end = "/elements:" + std::to_string(n);
        for (auto &[name, f] : unary)
            out.push_back({name + end, {reals({n})}, [f = f](auto *t, auto &v) { return f(t, v[0]); }, 0});
        for (auto &[name, f] : binary)
            out.push_back({name + end,
                           {reals({n}), reals({n}, 0, 1)},
                           [f = f](auto *t, auto &v) { return f(t, v[0], v[1]); },
                           0});
        out.push_back({"log" + end, {reals({n}, 1, 2)}, [](auto *t, auto &v) { return reel_log(t, v[0]); }, 0});
        out.push_back({"sqrt" + end, {reals({n}, 1, 2)}, [](auto *t, auto &v) { return reel_sqrt(t, v[0]); }, 0});
        out.push_back(
            {"leaky_relu" + end, {reals({n})}, [](auto *t, auto &v) { return reel_leaky_relu(t, v[0], 0.2); }, 0});
        out.push_back({"gelu" + end, {reals({n})}, [](auto *t, auto &v) { return reel_gelu(t, v[0], false); }, 0});
        out.push_back(
            {"mul_scalar" + end, {reals({n})}, [](auto *t, auto &v) { return reel_mul_scalar(t, v[0], 1.5); }, 0});
        out.push_back(
            {"dropout" + end, {reals({n})}, [](auto *t, auto &v) { return reel_dropout(t, v[0], 0.4, true); }, 0});
    }
}

void add_layers(std::vector<Sized> &out)
{
    const int64_t sizes[][3] = {{64, 64, 64}, {64, 256, 128}, {64, 1024, 784}, {64, 512, 512}, {256, 1024, 1024}};
    for (auto &[batch, in, width] : sizes)
        out.push_back(
            {"linear/batch:" + std::to_string(batch) + "/in:" + std::to_string(in) + "/out:" + std::to_string(width),
             {reals({batch, in}), reals({width, in}), reals({width})},
             [](auto *t, auto &v) { return reel_linear(t, v[0], v[1], v[2]); },
             2.0 * static_cast<double>(batch * in * width)});
    const int64_t n = 512;
    out.push_back({"matmul/size:512",
                   {reals({n, n}), reals({n, n})},
                   [](auto *t, auto &v) { return reel_matmul(t, v[0], v[1]); },
                   2.0 * n * n * n});
    const int64_t rows = 64, columns = 1024;
    std::string end = "/rows:64/columns:1024";
    out.push_back(
        {"softmax" + end, {reals({rows, columns})}, [](auto *t, auto &v) { return reel_softmax(t, v[0], 1); }, 0});
    out.push_back({"log_softmax" + end,
                   {reals({rows, columns})},
                   [](auto *t, auto &v) { return reel_log_softmax(t, v[0], 1); },
                   0});
    out.push_back({"cross_entropy" + end,
                   {reals({rows, columns}), indices(rows, columns)},
                   [](auto *t, auto &v) { return reel_cross_entropy_loss(t, v[0], v[1]); },
                   0});
    out.push_back({"layer_norm" + end,
                   {reals({rows, columns}), reals({columns}), reals({columns})},
                   [](auto *t, auto &v) { return reel_layer_norm(t, v[0], 1, v[1], v[2], 1e-5); },
                   0});
    out.push_back({"batch_norm" + end,
                   {reals({rows, columns}), reals({columns}), reals({columns})},
                   [](auto *t, auto &v) { return reel_batch_norm(t, v[0], v[1], v[2], 1e-5, nullptr, nullptr); },
                   0});
    out.push_back({"transpose" + end,
                   {reals({rows, columns})},
                   [](auto *t, auto &v) { return reel_transpose(t, v[0], 0, 1); },
                   0});
    out.push_back({"cat" + end,
                   {reals({rows, columns - 10}), reals({rows, 10})},
                   [](auto *t, auto &v) { return reel_cat(t, v.data(), 2, 1); },
                   0});
    out.push_back({"sum_rows" + end,
                   {reals({rows, columns})},
                   [](auto *t, auto &v) {
                       int axis = 0;
                       return reel_sum(t, v[0], &axis, 1, false);
                   },
                   0});
    out.push_back({"embedding/rows:10/indices:65536",
                   {reals({10, 64}), indices(65536, 10)},
                   [](auto *t, auto &v) { return reel_embedding(t, v[0], v[1], nullptr); },
                   0});
    out.push_back({"embedding/rows:100000/indices:16384",
                   {reals({100000, 64}), indices(16384, 100000)},
                   [](auto *t, auto &v) { return reel_embedding(t, v[0], v[1], nullptr); },
                   0});
}

} // namespace

void register_operations()
{
    static std::vector<Sized> sized;
    add_elementwise(sized);
    add_layers(sized);
    for (const Sized &s : sized)
        for (int threads : {1, 2}) {
            std::string name = s.name + (threads == 1 ? "" : "/threads:2");
            benchmark::RegisterBenchmark(("op/" + name).c_str(), [&s, threads](benchmark::State &state) {
                run_forward(state, s, threads);
            })->Unit(benchmark::kMicrosecond);
            benchmark::RegisterBenchmark(("op_backward/" + name).c_str(), [&s, threads](benchmark::State &state) {
                run_backward(state, s, threads);
            })->Unit(benchmark::kMicrosecond);
        }
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        const reel_op_samples *samples = reel_op_samples_at(i);
        for (int k = 0; k < samples->count; k++) {
            const reel_sample *sample = &samples->samples[k];
            if (sample->refused == REEL_OK)
                benchmark::RegisterBenchmark(("op/" + std::string(op->name) + "/sample:" + std::to_string(k)).c_str(),
                                             [op, sample](benchmark::State &state) { run_sample(state, op, sample); });
        }
    }
}

} // namespace bench
