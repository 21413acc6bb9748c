/* Recommendations by matrix factorisation: each user and each film gets 8 numbers, whose product is the rating. Ratings
 * are made up from hidden tastes with some noise; a fifth of them is known, and some of these are kept aside. One sees
 * the error on those fall from that of guessing the mean to near the noise, and then what one user should watch next.
 *
 * Tables train by row (`sparse`): a step costs what its batch looks up, however many users there are. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { USERS = 400, FILMS = 300, TASTES = 3, KNOWN = 24000, KEPT = 2000, BATCH = 256, WIDTH = 8, EPOCHS = 15 };
static const double noise = 0.2;

struct ratings {
    int64_t user[KNOWN], film[KNOWN];
    reel_real value[KNOWN];
};

struct model {
    reel_param *users, *films, *user_bias, *film_bias;
    double mean;
};

/* What there is to be found: value = sum of the products of hidden tastes, + 3, + noise. */
static void make_ratings(reel_tape *t, struct ratings *r, reel_real *truth)
{
    reel_var of_users = reel_randn(t, REEL_SHAPE(USERS, TASTES));
    reel_var of_films = reel_mul_scalar(t, reel_randn(t, REEL_SHAPE(FILMS, TASTES)), 0.6);
    reel_var value = reel_add_scalar(t, reel_matmul(t, of_users, reel_transpose(t, of_films, 0, 1)), 3);
    reel_var order = reel_randperm(t, USERS * FILMS), disturbed = reel_randn(t, REEL_SHAPE(KNOWN));
    const reel_real *values = reel_data_real(t, value), *disturbances = reel_data_real(t, disturbed);
    const int64_t *pair = reel_data_int64(t, order);
    if (reel_context_status(reel_tape_context(t)))
        return;
    for (int i = 0; i < USERS * FILMS; i++)
        truth[i] = values[i];
    for (int i = 0; i < KNOWN; i++) {
        r->user[i] = pair[i] / FILMS;
        r->film[i] = pair[i] % FILMS;
        r->value[i] = values[pair[i]] + (reel_real)noise * disturbances[i];
    }
}

static reel_param *table(reel_params *p, const char *name, int64_t rows, int64_t width)
{
    reel_param *weight = reel_param_new(p, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(rows, width));
    reel_param_set_sparse(weight, true);
    /* Products of numbers from N(0, 1) would begin far from any rating. */
    reel_init_normal(weight, 0, 0.1);
    return weight;
}

/* The number of each user or film, [n]. */
static reel_var bias_of(reel_tape *t, reel_param *bias, reel_var index)
{
    return reel_squeeze(t, reel_embedding(t, reel_param_var(t, bias), index, NULL), 1);
}

/* No row is copied out of the tables: products are made where the rows lie. */
static reel_var predict(reel_tape *t, const struct model *m, reel_var user, reel_var film)
{
    reel_var rating = reel_embedding_dot(t, reel_param_var(t, m->users), user, reel_param_var(t, m->films), film);
    rating = reel_add(t, rating, bias_of(t, m->user_bias, user));
    rating = reel_add(t, rating, bias_of(t, m->film_bias, film));
    return reel_add_scalar(t, rating, m->mean);
}

/* The root of the mean squared error on the ratings that were kept aside. */
static double error_of(reel_tape *t, const struct model *m, const struct ratings *r)
{
    reel_no_grad_begin(t);
    reel_var user = reel_borrow_of(t, REEL_INT64, r->user, REEL_SHAPE(KEPT));
    reel_var film = reel_borrow_of(t, REEL_INT64, r->film, REEL_SHAPE(KEPT));
    reel_var value = reel_borrow(t, r->value, REEL_SHAPE(KEPT));
    double error = sqrt(reel_item(t, reel_mse_loss(t, predict(t, m, user, film), value)));
    reel_tape_reset(t);
    return error;
}

static void recommend(reel_tape *t, const struct model *m, const struct ratings *r, const reel_real *truth,
                      int64_t user)
{
    bool seen[FILMS] = {false};
    for (int i = 0; i < KNOWN; i++)
        if (r->user[i] == user)
            seen[r->film[i]] = true;
    reel_no_grad_begin(t);
    reel_var film = reel_arange_int64(t, 0, FILMS, 1),
             score = predict(t, m, reel_full_int64(t, REEL_SHAPE(FILMS), user), film);
    const reel_real *scores = reel_data_real(t, score);
    printf("user %d should watch", (int)user);
    for (int n = 0; n < 3 && scores; n++) {
        int best = -1;
        for (int i = 0; i < FILMS; i++)
            if (!seen[i] && (best < 0 || scores[i] > scores[best]))
                best = i;
        printf("%s film %d (%.1f, in truth %.1f)", n ? "," : "", best, (double)scores[best],
               (double)truth[user * FILMS + best]);
        seen[best] = true;
    }
    printf("\n");
    reel_tape_reset(t);
}

int main(void)
{
    static struct ratings ratings;
    static reel_real truth[USERS * FILMS];
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    make_ratings(t, &ratings, truth);
    reel_tape_reset(t);

    /* The first KEPT are kept aside, the loader takes the others. */
    REEL_OPTIONS(loader, l, l.batch_size = BATCH, l.shuffle = true);
    reel_loader *loader = reel_loader_new(c, KNOWN - KEPT, &l);
    reel_loader_add(loader, REEL_INT64, ratings.user + KEPT, REEL_SCALAR);
    reel_loader_add(loader, REEL_INT64, ratings.film + KEPT, REEL_SCALAR);
    reel_loader_add(loader, REEL_REAL, ratings.value + KEPT, REEL_SCALAR);

    reel_params *p = reel_params_new(c);
    struct model m = {.users = table(p, "users", USERS, WIDTH),
                      .films = table(p, "films", FILMS, WIDTH),
                      .user_bias = table(p, "user_bias", USERS, 1),
                      .film_bias = table(p, "film_bias", FILMS, 1)};
    for (int i = KEPT; i < KNOWN; i++)
        m.mean += ratings.value[i] / (KNOWN - KEPT);
    double guessed = 0;
    for (int i = 0; i < KEPT; i++)
        guessed += pow(ratings.value[i] - m.mean, 2) / KEPT;
    printf("guessing the mean   error %.3f\n", sqrt(guessed));

    REEL_OPTIONS(adam, o, o.lr = 0.01, o.weight_decay = 1e-4);
    reel_optim *adam = reel_adam_new(p, &o);
    double error = INFINITY;
    for (int epoch = 1; epoch <= EPOCHS && !reel_context_status(c); epoch++) {
        reel_var batch[3];
        while (reel_loader_next(loader, t, batch) > 0) {
            reel_var loss = reel_mse_loss(t, predict(t, &m, batch[0], batch[1]), batch[2]);
            reel_zero_grad(p);
            if (reel_backward(t, loss, p) || reel_optim_step(adam))
                break;
            reel_tape_reset(t);
        }
        if (epoch % 5 == 0 && !reel_context_status(c))
            printf("epoch %2d            error %.3f\n", epoch, error = error_of(t, &m, &ratings));
    }
    if (reel_context_status(c)) {
        fprintf(stderr, "matrix_factorisation: %s\n", reel_error(c));
        return 1;
    }
    printf("the noise           error %.3f\n", noise);
    recommend(t, &m, &ratings, truth, 7);

    reel_optim_free(adam);
    reel_params_free(p);
    reel_loader_free(loader);
    reel_tape_free(t);
    reel_context_free(c);
    return error < 1.5 * noise ? 0 : 1;
}
