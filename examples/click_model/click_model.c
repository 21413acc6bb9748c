/* Will somebody click? A model with a row of 8 numbers for each of 2,000 users and 500 items, trained by as many
 * processes as one likes:
 *
 *     click_model LOG [FOLDER]                 alone
 *     mpirun -n 4 click_model LOG [FOLDER]     the rows spread over four processes; the same bits
 *
 * LOG holds who was shown what and clicked; it is made up when it does not exist, from hidden tastes. Each process
 * reads the part of it that its shards need. With FOLDER checkpoints are kept there, and a run that was ended goes on,
 * be it with another number of processes. One sees the loss on what was kept aside come near that of who knows the
 * tastes, and a number made of the bits of all params. */
#include <reel/mpi.h>
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 2000, ITEMS = 500, TASTES = 3, WIDTH = 8, SHARDS = 8, BATCH = 256, STEPS = 240, SAVED = 80 };
enum { KEPT = 20000, LOGGED = KEPT + 80 * SHARDS * BATCH }; /* samples: the first are kept aside */

struct samples {
    int64_t user[KEPT], item[KEPT];
    reel_real click[KEPT];
};

struct model {
    reel_mpi_table *users, *items;
    reel_module *hidden, *out;
};

static int fail(const char *text)
{
    fprintf(stderr, "click_model: %s\n", text);
    MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
}

/* ---- The log ---- */

/* Some number from 0 to 1 for each pair of numbers (splitmix64, Steele et al. 2014). */
static double some_number(uint64_t of, uint64_t and)
{
    uint64_t x = of * 0x9e3779b97f4a7c15u + and;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

/* How probable a click is, in truth. */
static double chance(int64_t user, int64_t item)
{
    double sum = -0.5;
    for (uint64_t taste = 0; taste < TASTES; taste++)
        sum += 12 * (some_number((uint64_t)user, taste) - 0.5) * (some_number((uint64_t)item, 100 + taste) - 0.5);
    return 1 / (1 + exp(-sum));
}

static reel_status write_log(reel_context *c, const char *path)
{
    int64_t *user = malloc(LOGGED * sizeof *user), *item = malloc(LOGGED * sizeof *item);
    reel_real *click = malloc(LOGGED * sizeof *click);
    for (int64_t i = 0; user && item && click && i < LOGGED; i++) {
        /* Few are seen often, most seldom. */
        user[i] = (int64_t)(USERS * pow(some_number((uint64_t)i, 1000), 2));
        item[i] = (int64_t)(ITEMS * pow(some_number((uint64_t)i, 1001), 2));
        click[i] = some_number((uint64_t)i, 1002) < chance(user[i], item[i]);
    }
    const reel_named_array arrays[] = {{"user", REEL_INT64, REEL_SHAPE(LOGGED), user},
                                       {"item", REEL_INT64, REEL_SHAPE(LOGGED), item},
                                       {"click", REEL_REAL, REEL_SHAPE(LOGGED), click}};
    if (user && item && click)
        reel_safetensors_write(c, path, arrays, 3);
    free(user);
    free(item);
    free(click);
    return reel_context_status(c);
}

static void read_log(reel_safetensors *file, int64_t first, int64_t n, struct samples *s)
{
    reel_safetensors_read_rows(file, "user", REEL_INT64, first, n, s->user);
    reel_safetensors_read_rows(file, "item", REEL_INT64, first, n, s->item);
    reel_safetensors_read_rows(file, "click", REEL_REAL, first, n, s->click);
}

/* ---- The model ---- */

/* Products of small numbers begin near a chance of one half. */
static reel_mpi_table *table(reel_mpi *mpi, reel_params *p, const char *name, int64_t rows)
{
    reel_mpi_table *made = reel_mpi_table_new(mpi, p, name, rows, WIDTH, NULL);
    reel_param *part = reel_mpi_table_param(made);
    reel_real *data = reel_param_write(part);
    for (int64_t i = 0; data && i < reel_shape_numel(reel_param_shape(part)); i++)
        data[i] *= (reel_real)0.1;
    return made;
}

/* The loss of n samples. All processes call it together; they need not have the same n. */
static reel_var loss_of(reel_tape *t, const struct model *m, const struct samples *s, int64_t n,
                        reel_reduction reduction)
{
    reel_var user = reel_mpi_embedding(t, m->users, reel_borrow_of(t, REEL_INT64, s->user, REEL_SHAPE(n)));
    reel_var item = reel_mpi_embedding(t, m->items, reel_borrow_of(t, REEL_INT64, s->item, REEL_SHAPE(n)));
    reel_var h = reel_cat(t, REEL_VARS(user, item, reel_mul(t, user, item)), 1);
    reel_var logit = reel_forward(t, m->out, reel_forward(t, m->hidden, h));
    REEL_OPTIONS(bce_with_logits_loss, o, o.reduction = reduction);
    return reel_bce_with_logits_loss_with(t, reel_squeeze(t, logit, 1), reel_borrow(t, s->click, REEL_SHAPE(n)), &o);
}

/* The mean loss on what was kept aside; each process has a part of it. */
static double evaluate(reel_tape *t, const struct model *m, reel_mpi *mpi, reel_safetensors *file, struct samples *s)
{
    const int64_t ranks = reel_mpi_ranks(mpi), rank = reel_mpi_rank(mpi);
    const int64_t first = KEPT * rank / ranks, n = KEPT * (rank + 1) / ranks - first;
    read_log(file, first, n, s);
    reel_no_grad_begin(t);
    double sum = reel_item(t, loss_of(t, m, s, n, REEL_SUM));
    reel_no_grad_end(t);
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return sum / KEPT;
}

/* A sum of the bits of all params, which no order changes. */
static uint64_t bits_of(reel_mpi *mpi, const reel_params *p)
{
    uint64_t sum = 0;
    for (int k = 0; k < reel_params_count(p); k++) {
        const reel_param *param = reel_params_at(p, k);
        const reel_real *data = reel_param_data(param);
        bool is_mine = reel_param_sparse(param) || reel_mpi_rank(mpi) == 0;
        for (int64_t i = 0; is_mine && i < reel_shape_numel(reel_param_shape(param)); i++) {
            uint64_t bits = 0;
            memcpy(&bits, &data[i], sizeof data[i]);
            sum += bits * 0x9e3779b97f4a7c15u;
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    return sum;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (argc < 2)
        return fail("usage: click_model LOG [FOLDER]");
    const char *folder = argc > 2 ? argv[2] : NULL;
    reel_context *c = reel_context_new(NULL);
    REEL_OPTIONS(mpi, options, options.shards = SHARDS);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, &options);
    if (!mpi)
        return fail(reel_error(c));
    bool speaks = reel_mpi_rank(mpi) == 0;
    if (speaks && access(argv[1], F_OK) != 0 && write_log(c, argv[1]) != REEL_OK)
        return fail(reel_error(c));
    MPI_Barrier(MPI_COMM_WORLD);
    reel_safetensors *file = reel_safetensors_open(c, argv[1]);

    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    REEL_OPTIONS(linear, of_hidden, of_hidden.activation = REEL_ACTIVATION_RELU);
    struct model m = {.users = table(mpi, p, "users", USERS),
                      .items = table(mpi, p, "items", ITEMS),
                      .hidden = reel_linear_new(p, "hidden", 3 * WIDTH, 16, &of_hidden),
                      .out = reel_linear_new(p, "out", 16, 1, NULL)};
    REEL_OPTIONS(adam, of_adam, of_adam.lr = 0.02);
    reel_optim *adam = reel_adam_new(p, &of_adam);
    double step = 0, loss = NAN, known = 0;
    reel_checkpoint *rest = reel_checkpoint_new(c);
    reel_checkpoint_add_number(rest, "step", &step);
    char latest[4096];
    snprintf(latest, sizeof latest, "%s/latest", folder ? folder : "");
    if (folder && access(latest, F_OK) == 0)
        reel_mpi_load(mpi, p, adam, rest, folder);

    static struct samples s;
    while (reel_mpi_begin(mpi, step < STEPS)) {
        int64_t first = KEPT + (int64_t)step % ((LOGGED - KEPT) / (SHARDS * BATCH)) * (SHARDS * BATCH);
        for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
            read_log(file, first + shard * BATCH, BATCH, &s);
            reel_zero_grad(p);
            reel_backward(t, loss_of(t, &m, &s, BATCH, REEL_MEAN), p);
            reel_mpi_collect(mpi, p, BATCH);
            reel_tape_reset(t);
        }
        if (reel_mpi_reduce(mpi, p) != REEL_OK || reel_optim_step(adam) != REEL_OK)
            break;
        step++;
        if (folder && (int)step % SAVED == 0)
            reel_mpi_save(mpi, p, adam, rest, folder);
        if ((int)step % SAVED == 0) {
            loss = evaluate(t, &m, mpi, file, &s);
            if (speaks && reel_context_status(c) == REEL_OK)
                printf("step %3.0f   loss %.4f\n", step, loss);
            reel_tape_reset(t);
        }
    }
    if (reel_context_status(c) != REEL_OK)
        return fail(reel_error(c));
    loss = evaluate(t, &m, mpi, file, &s);
    read_log(file, 0, KEPT, &s);
    for (int64_t i = 0; i < KEPT; i++) {
        double p_click = chance(s.user[i], s.item[i]);
        known -= log1p(-(s.click[i] > 0 ? 1 - p_click : p_click)) / KEPT;
    }
    uint64_t bits = bits_of(mpi, p);
    if (speaks)
        printf("loss %.4f, of who knows the tastes %.4f, of who knows nothing %.4f\nbits %016llx\n", loss, known,
               log(2), (unsigned long long)bits);

    reel_checkpoint_free(rest);
    reel_optim_free(adam);
    reel_safetensors_close(file);
    reel_params_free(p);
    reel_tape_free(t);
    reel_mpi_free(mpi);
    reel_context_free(c);
    MPI_Finalize();
    return loss < (known + log(2)) / 2 ? 0 : 1;
}
