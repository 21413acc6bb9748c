// A loader's epoch: as many bytes as Fashion-MNIST has, shuffled, and scaled into batches.
#include "workload.hpp"

#include <benchmark/benchmark.h>

#include <chrono>

namespace bench
{
namespace
{

constexpr int64_t samples = 60000, height = 28, width = 28, batch_size = 128;

struct Pictures {
    std::vector<unsigned char> bytes, labels;

    Pictures() : bytes(samples * height * width), labels(samples)
    {
        for (size_t i = 0; i < bytes.size(); i++)
            bytes[i] = static_cast<unsigned char>(i * 2654435761u >> 24);
        for (size_t i = 0; i < labels.size(); i++)
            labels[i] = static_cast<unsigned char>(i % 10);
    }
};

void run(benchmark::State &state, int threads, bool augmented)
{
    static const Pictures pictures;
    Session session(threads);
    reel_loader_options options = reel_loader_defaults();
    options.batch_size = batch_size;
    options.shuffle = true;
    reel_loader *loader = reel_loader_new(session.context, samples, &options);
    reel_loader_add_scaled_bytes(loader, pictures.bytes.data(), shape({1, height, width}), 0, 1);
    reel_loader_add_bytes(loader, pictures.labels.data(), shape({}));
    if (augmented) {
        reel_augment_options augment = reel_augment_defaults();
        augment.flip_horizontal = 0.5;
        augment.shift = 2;
        augment.noise = 0.1;
        reel_loader_augment(loader, 0, &augment);
    }
    session.expect_ok();
    auto start = std::chrono::steady_clock::now();
    int64_t given = 0;
    for (auto _ : state) {
        reel_var batch[2];
        int64_t count = reel_loader_next(loader, session.tape, batch);
        if (count == 0) /* the epoch's end */
            count = reel_loader_next(loader, session.tape, batch);
        given += count;
        session.reset();
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    state.counters["samples/s"] = static_cast<double>(given) / seconds.count();
    reel_loader_free(loader);
}

} // namespace

void register_loader()
{
    for (int threads : {1, 2})
        for (bool augmented : {false, true}) {
            std::string name = std::string("loader/") + (augmented ? "augmented" : "scaled") +
                               "/batch:" + std::to_string(batch_size) + "/threads:" + std::to_string(threads);
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
                run(state, threads, augmented);
            })->Unit(benchmark::kMicrosecond);
        }
}

} // namespace bench
