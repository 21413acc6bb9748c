// Row-sparse training of an embedding: lookup, mean squared distance to a target, one optimizer step.
#include "workload.hpp"

#include "../floor/embedding.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace bench
{
namespace
{

constexpr int64_t batch = 16384, columns = FLOOR_EMBEDDING_COLUMNS;
// Steps cycle through so many batches that a row's return finds it out of the caches, unless it is a frequent one.
constexpr int64_t batches = 64;

// One call a step, and what it needs.
struct Data {
    std::vector<int64_t> indices;
    std::vector<float> target;
    int64_t next = 0;

    explicit Data(int64_t rows);
    const int64_t *take()
    {
        return indices.data() + next++ % batches * batch;
    }
};

// Index of rank r from Zipf's law with exponent 1.2 over all rows, then scattered by a prime that divides no table
// size.
Data::Data(int64_t rows) : indices(batch * batches), target(uniform(batch * columns, -1, 1, 2))
{
    constexpr int64_t prime = 2654435761;
    std::vector<double> below(static_cast<size_t>(rows));
    double sum = 0;
    for (int64_t rank = 0; rank < rows; rank++)
        below[static_cast<size_t>(rank)] = sum += std::pow(static_cast<double>(rank + 1), -1.2);
    std::mt19937_64 random(1);
    for (int64_t &index : indices) {
        double u = static_cast<double>(random() >> 11) * 0x1p-53 * sum;
        int64_t rank = std::upper_bound(below.begin(), below.end() - 1, u) - below.begin();
        index = rank * prime % rows;
    }
}

void fill_table(float *table, int64_t rows)
{
    fill(table, rows * columns, -1, 1, 3);
}

class Reel : public ReelWorkload
{
  public:
    Reel(int64_t rows, floor_embedding_optim kind, int threads) : ReelWorkload(threads), data(rows)
    {
        params = reel_params_new(session.context);
        reel_embedding_options options = reel_embedding_defaults();
        options.sparse = true;
        options.fast_init = true;
        reel_embedding_new(params, "table", rows, columns, &options);
        session.expect_ok();
        table = reel_params_at(params, 0);
        fill_table(static_cast<float *>(reel_param_write(table)), rows);
        optim = make_optim(kind);
        session.expect_ok();
    }

    ~Reel() override
    {
        reel_optim_free(optim);
        reel_tape_reset(session.tape);
        reel_params_free(params);
    }

    Losses step(const Enter &enter) override
    {
        reel_tape *t = session.tape;
        reel_var index = reel_borrow_of(t, REEL_INT64, data.take(), shape({batch}));
        reel_var target = reel_borrow(t, data.target.data(), shape({batch, columns}));
        if (enter)
            enter(Phase::forward);
        reel_var loss = reel_embedding_mse_loss(t, reel_param_var(t, table), index, target, nullptr);
        return train(enter, loss, params, optim);
    }

    std::vector<reel_params *> param_sets() const override
    {
        return {params};
    }

    std::vector<reel_optim *> optims() const override
    {
        return {optim};
    }

    std::vector<Input> inputs() const override
    {
        return {{"indices", REEL_INT64, shape({batches, batch}), data.indices.data(), batches},
                {"target", REEL_REAL, shape({batch, columns}), data.target.data()}};
    }

  private:
    Data data;
    reel_params *params;
    reel_param *table;
    reel_optim *optim;

    reel_optim *make_optim(floor_embedding_optim kind)
    {
        switch (kind) {
        case FLOOR_EMBEDDING_SGD: {
            reel_sgd_options options = reel_sgd_defaults();
            options.lr = 100;
            return reel_sgd_new(params, &options);
        }
        case FLOOR_EMBEDDING_ROWWISE_ADAGRAD:
            return reel_rowwise_adagrad_new(params, nullptr);
        default:
            return reel_adam_new(params, nullptr);
        }
    }
};

using FloorStep = float (*)(struct floor_embedding *, const int64_t *, const float *);

class ByHand : public Workload
{
  public:
    ByHand(int64_t rows, floor_embedding_optim kind, int threads, FloorStep step_) : data(rows), floor_step(step_)
    {
        if (!floor_embedding_new(&embedding, rows, batch, kind, threads))
            throw std::bad_alloc();
        fill_table(embedding.table, rows);
    }

    ~ByHand() override
    {
        floor_embedding_free(&embedding);
    }

    Losses step(const Enter &) override
    {
        return {floor_step(&embedding, data.take(), data.target.data()), 0};
    }

  private:
    Data data;
    FloorStep floor_step;
    struct floor_embedding embedding;
};

} // namespace

void add_embedding(Suite &suite)
{
    const struct {
        const char *name;
        floor_embedding_optim kind;
    } optims[] = {{"sgd", FLOOR_EMBEDDING_SGD},
                  {"rowwise_adagrad", FLOOR_EMBEDDING_ROWWISE_ADAGRAD},
                  {"lazy_adam", FLOOR_EMBEDDING_LAZY_ADAM}};
    const struct {
        const char *name;
        FloorStep step;
    } floors[] = {
        {"fused", floor_embedding_fused}, {"sorted", floor_embedding_sorted}, {"eager", floor_embedding_eager}};
    for (int64_t rows : {1000, 10000, 100000, 1000000, 10000000})
        for (auto &optim : optims) {
            auto kind = optim.kind;
            bool quick = rows == 100000;
            std::string name = "rows:" + std::to_string(rows) + "/optim:" + optim.name;
            suite.reel.push_back({"embedding/" + name,
                                  [=](int threads) { return std::make_unique<Reel>(rows, kind, threads); }, 0, 0, 0,
                                  quick});
            for (auto &floor : floors) {
                FloorStep step = floor.step;
                suite.floors.push_back(
                    {{std::string("embedding/") + floor.name + "/" + name,
                      [=](int threads) { return std::make_unique<ByHand>(rows, kind, threads, step); }, 0, 0, 0, quick},
                     "embedding/" + name,
                     2});
            }
        }
}

} // namespace bench
