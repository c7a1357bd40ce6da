#pragma once

#include "quant/calib/range_observer.h"
#include "quant/calib/value_histogram.h"

namespace halftone {

/// The value below which a share of all values lies, linear inside a bin.
float quantile(const ValueHistogram& histogram, double share);

/// The mean |error|^norm of the histogram's values under the 256 codes of a range (255 when symmetric).
double clip_error(const ValueHistogram& histogram, const ClipRange& range, double norm, bool symmetric);

/// The range inside `all` with the smallest clip_error(): each end in turn is tried at 100, 99, ... 20
/// percent of its place in `all`, until neither moves. Of equals the wider.
ClipRange least_error_range(const ValueHistogram& histogram, const ClipRange& all, double norm,
                            bool symmetric);

/// The magnitude at which to clip by least KL divergence.
float least_divergence_limit(const ValueHistogram& histogram);

}  // namespace halftone
