// How far a step is from what the machine could do.
#ifndef BENCH_ROOFLINE_HPP
#define BENCH_ROOFLINE_HPP

#include "workloads/workload.hpp"

namespace bench
{

// Prints a table in Markdown: for each case of reel the arithmetic that its step does and the bytes that it must move,
// the time that this machine needs for either alone, the time that the step takes, and how often the larger of the two
// goes into it (Williams, Waterman and Patterson 2009). Takes about a second for each case. Gives what main should
// return.
int roofline(const Suite &suite, int threads);

} // namespace bench

#endif
