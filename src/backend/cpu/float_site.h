#pragma once

#include "backend/float_site.h"

namespace halftone::cpu {

/// Empty when the first input and output are stored channels-last, and no value as codes.
Refusal channels_last_refusal(const OpSite& site);

/// Calls body(begin, end) over [0, count) floats on all threads, in pieces that are worth a thread's waking.
void parallel_floats(ThreadPool& threads, int64_t count, const std::function<void(int64_t, int64_t)>& body);

/// Rows of `width` floats a piece of work should have.
int64_t row_grain(int64_t width);

}  // namespace halftone::cpu
