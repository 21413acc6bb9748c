/* Written by draws.py. */
/* clang-format off */
#ifdef REEL_F64
static const double golden_bernoulli[] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1};
static const int64_t golden_with_replacement[] = {3, 5, 3, 1, 1, 3, 1, 2, 2, 4, 4, 3, 5, 4, 5, 5, 4, 0, 3, 6, 4, 4, 5, 0, 5, 4, 3, 5, 1, 5, 5, 5, 1, 5, 4, 5};
static const int64_t golden_without_replacement[] = {4, 6, 1, 3, 0, 4, 0, 5, 6, 3, 3, 0, 4, 1, 5};
static const int64_t golden_one[] = {1, 0, 5};
static const int64_t golden_of_a_vector[] = {3, 4, 1, 6, 5, 2, 0};
static const double golden_behind[] = {0.58306243750476994, 0.035331634621348473};
#else
static const double golden_bernoulli[] = {0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0};
static const int64_t golden_with_replacement[] = {3, 6, 6, 6, 4, 6, 4, 6, 0, 4, 4, 4, 0, 0, 3, 5, 5, 3, 3, 0, 4, 5, 4, 0, 0, 3, 0, 1, 1, 3, 3, 1, 5, 3, 5, 5};
static const int64_t golden_without_replacement[] = {1, 2, 4, 6, 5, 0, 5, 4, 3, 6, 0, 3, 5, 2, 4};
static const int64_t golden_one[] = {3, 3, 5};
static const int64_t golden_of_a_vector[] = {0, 3, 6, 4, 1, 2, 5};
static const double golden_behind[] = {0.4021344780921936, 0.78413432836532593};
#endif
