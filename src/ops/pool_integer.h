#pragma once

#include "ops/integer_meaning.h"
#include "ops/pool.h"
#include "ops/requantizer.h"

namespace halftone {

/// AveragePool and GlobalAveragePool, codes in and codes out: the sum of (x - zero) over the window, padding
/// counted as 0, with unit scale / taps, then as ops/requantizer.h says. No meaning of its own where windows
/// count different numbers of elements.
extern const IntegerMeaning average_on_codes;

/// The window of an average on codes, and what a sum of 1 stands for.
struct CodeAverage {
  Window window;
  double unit;
};
CodeAverage code_average(const OpSite& site);

}  // namespace halftone
