// Transposed convolutions whose kernel is longer than their input, beside the one product that does their arithmetic.
#include "workload.hpp"

#include <benchmark/benchmark.h>
#include <cblas.h>

namespace bench
{
namespace
{

struct Size {
    int64_t batch, in, out, length, kernel;
};

void run_convolution(benchmark::State &state, const Size &s)
{
    Session session(1);
    auto x = uniform(s.batch * s.in * s.length, -1, 1, 41), w = uniform(s.in * s.out * s.kernel, -1, 1, 42);
    for (auto _ : state) {
        reel_var input = reel_borrow(session.tape, x.data(), shape({s.batch, s.in, s.length}));
        reel_var weight = reel_borrow(session.tape, w.data(), shape({s.in, s.out, s.kernel}));
        reel_conv_transpose1d(session.tape, input, weight, reel_null(), nullptr);
        session.reset();
    }
}

// [out * kernel, in] times [in, batch * length].
void run_product(benchmark::State &state, const Size &s)
{
    Session session(1); // tells the BLAS to use the calling thread
    int m = static_cast<int>(s.out * s.kernel), n = static_cast<int>(s.batch * s.length), k = static_cast<int>(s.in);
    auto a = uniform(s.in * s.out * s.kernel, -1, 1, 43), b = uniform(s.batch * s.in * s.length, -1, 1, 44);
    std::vector<float> c(static_cast<size_t>(m) * static_cast<size_t>(n));
    for (auto _ : state)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
}

} // namespace

void register_long_kernels()
{
    for (const Size &s : {Size{1, 16, 16, 1000, 4096}, Size{8, 32, 32, 256, 1024}, Size{4, 64, 64, 500, 2000}}) {
        std::string name = "/channels:" + std::to_string(s.in) + "/kernel:" + std::to_string(s.kernel);
        benchmark::RegisterBenchmark(("long_kernel/conv_transpose1d" + name).c_str(), [=](benchmark::State &state) {
            run_convolution(state, s);
        })->Unit(benchmark::kMicrosecond);
        benchmark::RegisterBenchmark(("long_kernel/product" + name).c_str(), [=](benchmark::State &state) {
            run_product(state, s);
        })->Unit(benchmark::kMicrosecond);
    }
}

} // namespace bench
