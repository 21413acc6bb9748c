/* Written by loader.py with torch 2.15.0. */
#ifndef GOLDEN_LOADER_H
#define GOLDEN_LOADER_H

/* clang-format off */

#include <stdint.h>

enum { GOLDEN_N = 23, GOLDEN_DRAWS = 20 };
static const int64_t golden_subset[] = {
    3, 5, 5, 22, 0, 11, 7,
};
static const double golden_weights[] = {
    0x0.0p+0, 0x1.cbe33baf05120p-3, 0x1.dfbfc83330e24p-3, 0x1.6ab2fff047a14p-3, 0x0.0p+0, 0x1.c04832c328408p-4,
    0x1.d7f98c69c3c8ep-2, 0x1.6aaedab7479fcp-1, 0x1.28d86ef7f7d19p-1, 0x1.fc965b14faa28p-2, 0x1.054fe5032b165p-1,
    0x1.517250c9193a8p-2, 0x1.6fb8b718620fcp-1, 0x1.89bd4758b2538p-2, 0x1.6fcec467acc70p-4, 0x1.e11974fcb5220p-4,
    0x1.47cd7750b5fd7p-1, 0x1.92fa5b9090bc4p-3, 0x1.065f7f06aaddep-1, 0x1.6c760c7448456p-1, 0x1.d988db749d7e9p-1,
    0x1.ffd89cd818407p-1, 0x0.0p+0,
};
static const unsigned char golden_labels[] = {
    0, 1, 4, 4, 1, 0, 1, 4, 4, 1, 0, 1, 4, 4, 1, 0, 1, 4, 4, 1, 0, 1, 4,
};
static const int64_t golden_in_order[] = {
    0, 1, 2, 3, 4, -1, 5, 6, 7, 8, 9, -1, 10, 11, 12, 13, 14, -1, 15, 16, 17, 18, 19, -1, 20, 21, 22, -1, -2, 0, 1, 2,
    3, 4, -1, 5, 6, 7, 8, 9, -1, 10, 11, 12, 13, 14, -1, 15, 16, 17, 18, 19, -1, 20, 21, 22, -1, -2,
};
static const int64_t golden_in_order_next = 348726071223;
static const int64_t golden_shuffled[] = {
    2, 20, 12, 0, 5, -1, 13, 6, 14, 17, 11, -1, 15, 19, 4, 18, 21, -1, 10, 1, 7, 8, 22, -1, 3, 9, 16, -1, -2, 18, 10,
    13, 1, 15, -1, 4, 5, 17, 16, 12, -1, 20, 8, 21, 9, 22, -1, 6, 11, 19, 0, 2, -1, 3, 7, 14, -1, -2,
};
static const int64_t golden_shuffled_next = 691941458503;
static const int64_t golden_dropped[] = {
    2, 20, 12, 0, 5, -1, 13, 6, 14, 17, 11, -1, 15, 19, 4, 18, 21, -1, 10, 1, 7, 8, 22, -1, -2, 18, 10, 13, 1, 15, -1,
    4, 5, 17, 16, 12, -1, 20, 8, 21, 9, 22, -1, 6, 11, 19, 0, 2, -1, -2,
};
static const int64_t golden_dropped_next = 691941458503;
static const int64_t golden_shuffled_subset[] = {
    5, 7, 22, -1, 0, 5, 11, -1, 3, -1, -2, 22, 5, 5, -1, 7, 11, 0, -1, 3, -1, -2,
};
static const int64_t golden_shuffled_subset_next = 691941458503;
static const int64_t golden_weighted[] = {
    20, 18, 18, 16, 7, 7, -1, 7, 20, 12, 21, 18, 19, -1, 12, 6, 1, 21, 5, 21, -1, 11, 11, -1, -2, 20, 21, 18, 21, 18,
    20, -1, 1, 16, 17, 18, 7, 2, -1, 9, 19, 18, 10, 8, 6, -1, 12, 19, -1, -2,
};
static const int64_t golden_weighted_next = 715010921915;
static const int64_t golden_balanced[] = {
    20, 15, 15, 13, 3, 3, -1, 2, 18, 9, 22, 15, 16, -1, 10, 1, 0, 21, 1, 20, -1, 9, 8, 19, 18, 20, -1, -2, 21, 15, 20,
    0, 14, 14, -1, 15, 3, 0, 6, 17, 15, -1, 7, 5, 1, 10, 16, 9, -1, 0, 3, 10, 2, 5, -1, -2,
};
static const int64_t golden_balanced_next = 173815783688;
static const int64_t golden_split[] = {
    14, 4, 2, 10, 7, 0, 5, 19, 15, 3, 20, 11, 9, 17, 13, 12, 8, 16, 21, 6, 1, 18, 22,
};
static const double golden_thirds[] = {
    0x1.5555555555555p-2, 0x1.5555555555555p-2, 0x1.5555555555555p-2,
};
static const int64_t golden_thirds_lengths[] = {
    8, 8, 7,
};
static const double golden_tenths[] = {
    0x1.999999999999ap-4, 0x1.999999999999ap-3, 0x1.6666666666666p-1,
};
static const int64_t golden_tenths_lengths[] = {
    2, 4, 13,
};
static const double golden_uneven[] = {
    0x1.3333333333333p-3, 0x1.b333333333333p-1,
};
static const int64_t golden_uneven_lengths[] = {
    2, 5,
};

#endif
